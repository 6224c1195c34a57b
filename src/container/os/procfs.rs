//! What /proc shows: the little of it that scripts read.

use super::Sys;
use crate::base::Str;
use crate::container::fs::Stat;
use crate::container::process::Pid;
use crate::container::text::push;

/// Files of a process' directory.
const PER_PROCESS: [&str; 7] = ["cgroup", "cmdline", "comm", "environ", "stat", "statm", "status"];
/// Files of /proc itself.
const GLOBAL: [&str; 7] = ["cpuinfo", "loadavg", "meminfo", "mounts", "stat", "uptime", "version"];

impl Sys<'_, '_> {
    fn proc_pid(&self, name: &str) -> Option<Pid> {
        let pid = if name == "self" { self.pid } else { name.parse().ok()? };
        (self.os.procs.contains_key(&pid) || self.peer(pid).is_some()).then_some(pid)
    }

    /// The content of a file under /proc.
    pub(super) fn proc_file(&self, path: &str) -> Option<Vec<u8>> {
        let rest = path.strip_prefix("/proc/")?;
        let up = self.world.now.since(self.os.procs.values().next()?.started);
        let text = match rest.split_once('/') {
            None => match rest {
                "uptime" => format!("{}.{:02} 0.00\n", up.as_secs(), up.subsec_millis() / 10),
                "loadavg" => "0.00 0.00 0.00 1/1 1\n".to_owned(),
                "version" => "Linux version 6.1.0 (wavetank)\n".to_owned(),
                "cpuinfo" => "processor\t: 0\nmodel name\t: simulated\n\nprocessor\t: 1\nmodel name\t: simulated\n\n".to_owned(),
                "meminfo" => "MemTotal:        8388608 kB\nMemFree:         4194304 kB\nMemAvailable:    6291456 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n".to_owned(),
                "mounts" => "overlay / overlay rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n".to_owned(),
                "stat" => "cpu  0 0 0 0 0 0 0 0 0 0\n".to_owned(),
                _ => return None,
            },
            Some((pid, file)) => self.process_file(self.proc_pid(pid)?, file)?,
        };
        Some(crate::container::text::encode(&text))
    }

    fn process_file(&self, pid: Pid, file: &str) -> Option<String> {
        let proc = match self.peer(pid) {
            Some(peer) => peer.clone(),
            None => self.os.shown().find(|p| p.pid == pid)?,
        };
        let group = self.os.procs.get(&pid).map_or(pid, |p| p.group);
        let gid = self.os.procs.get(&pid).map_or(0, |p| p.gid);
        let comm = proc.argv.first().map_or("", |a| a.rsplit('/').next().unwrap_or(a));
        let comm: String = comm.chars().take(15).collect();
        let parent = if proc.parent == u32::MAX { 1 } else { proc.parent };
        Some(match file {
            "comm" => format!("{comm}\n"),
            "cmdline" => {
                let mut out = String::new();
                for arg in proc.argv.iter() {
                    push(&mut out, format_args!("{arg}\0"));
                }
                out
            }
            "status" => format!(
                "Name:\t{comm}\nState:\tS (sleeping)\nPid:\t{pid}\nPPid:\t{parent}\nUid:\t{0}\t{0}\t{0}\t{0}\nGid:\t{1}\t{1}\t{1}\t{1}\n",
                proc.uid, gid
            ),
            "stat" => format!("{pid} ({comm}) S {parent} {group} {group} 0 -1 0\n"),
            "statm" => "256 64 64 0 0 0 0\n".to_owned(),
            "cgroup" => "0::/\n".to_owned(),
            "environ" => String::new(),
            _ => return None,
        })
    }

    /// The names in a directory under /proc.
    pub(super) fn proc_dir(&self, path: &str) -> Option<Vec<Str>> {
        let rest = path.strip_prefix("/proc")?.trim_start_matches('/');
        let mut names: Vec<Str> = match rest.split_once('/') {
            None if rest.is_empty() => {
                let others = self.os.rare.peers.iter().map(|p| &p.pid);
                let pids = self.os.procs.keys().chain(others).map(|p| Str::from(p.to_string()));
                pids.chain(GLOBAL.iter().map(|&n| n.into())).chain([Str::from("self")]).collect()
            }
            None => {
                self.proc_pid(rest)?;
                PER_PROCESS.iter().map(|&n| n.into()).chain([Str::from("fd")]).collect()
            }
            Some((pid, "fd")) => {
                let pid = self.proc_pid(pid)?;
                let fds = &self.os.procs.get(&pid)?.fds;
                fds.keys().map(|fd| Str::from(fd.to_string())).collect()
            }
            Some(_) => return None,
        };
        names.sort();
        Some(names)
    }

    /// What is known of a path under /proc.
    pub(super) fn proc_stat(&self, path: &str) -> Option<Stat> {
        if self.proc_dir(path).is_some() {
            return Some(self.made_up_stat('d', 0));
        }
        if self.proc_file(path).is_some() {
            return Some(self.made_up_stat('-', 0));
        }
        let (pid, fd) = path.strip_prefix("/proc/")?.split_once("/fd/")?;
        let pid = self.proc_pid(pid)?;
        let fd: i32 = fd.parse().ok()?;
        self.os.procs.get(&pid)?.fds.contains_key(&fd).then(|| self.made_up_stat('l', 64))
    }
}
