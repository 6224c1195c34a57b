//! The state of the machine: `ps`, `free`, `uptime`, `clear`, `sync`.

use super::ls::name_of;
use super::{Begun, Call};
use crate::container::text::push;

/// `ps`, of busybox: every process, and who runs it
pub(super) fn ps(call: &mut Call<'_, '_, '_>) -> Begun {
    let columns = call.args.iter().position(|a| a == "-o").and_then(|i| call.args.get(i + 1));
    let columns: Vec<String> = match columns {
        Some(list) => list.split(',').map(str::to_owned).collect(),
        None => ["pid", "user", "time", "args"].map(String::from).to_vec(),
    };
    let mut out = String::new();
    let head = |column: &str| -> (String, usize) {
        let (name, title) = column.split_once('=').map_or((column, None), |(n, t)| (n, Some(t)));
        let (default, width) = match name {
            "pid" => ("PID", 5),
            "ppid" => ("PPID", 5),
            "user" => ("USER", 8),
            "group" => ("GROUP", 8),
            "time" => ("TIME", 5),
            "etime" => ("ELAPSED", 7),
            "comm" => ("COMMAND", 16),
            "stat" => ("STAT", 4),
            "vsz" => ("VSZ", 4),
            "rss" => ("RSS", 4),
            "tty" => ("TT", 6),
            _ => ("COMMAND", 0),
        };
        (title.unwrap_or(default).to_owned(), width)
    };
    for (i, column) in columns.iter().enumerate() {
        let (title, width) = head(column);
        let gap = if i > 0 { " " } else { "" };
        push(&mut out, format_args!("{gap}{title:<width$}"));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    for (pid, parent, argv) in call.sys.processes() {
        let facts = call.sys.process_facts(pid);
        let uid = facts.map_or(0, |(uid, _)| uid);
        let age = facts.map_or(0, |(_, started)| call.sys.now().since(started).as_secs());
        let comm: String = argv.first().map_or(String::new(), |a| {
            a.rsplit('/').next().unwrap_or("").chars().take(15).collect()
        });
        for (i, column) in columns.iter().enumerate() {
            let width = head(column).1;
            let name = column.split('=').next().unwrap_or("");
            let text = match name {
                "pid" => format!("{pid:>5}"),
                "ppid" => format!("{:>5}", if parent == u32::MAX { 1 } else { parent }),
                "user" => name_of(call, uid, false, true),
                "group" => name_of(call, 0, false, false),
                "time" => "0:00".to_owned(),
                "etime" => format!("{:>2}:{:02}", age / 60, age % 60),
                "comm" => comm.clone(),
                "stat" => "S".to_owned(),
                "vsz" => "4.3m".to_owned(),
                "rss" => "1.5m".to_owned(),
                "tty" => "?".to_owned(),
                _ => argv.join(" "),
            };
            let gap = if i > 0 { " " } else { "" };
            let width = if name == "time" { 6 } else { width };
            let last = i + 1 == columns.len();
            if last {
                push(&mut out, format_args!("{gap}{text}"));
            } else if name == "time" {
                push(&mut out, format_args!("{gap}{text:>5}"));
            } else {
                push(&mut out, format_args!("{gap}{text:<width$}"));
            }
        }
        out.push('\n');
    }
    call.out(&out);
    Begun::Exit(0)
}

/// `free`, of what /proc/meminfo shows
pub(super) fn free(call: &mut Call<'_, '_, '_>) -> Begun {
    let text = call.sys.content("/proc/meminfo").unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let kib = |name: &str| -> u64 {
        text.lines()
            .find_map(|l| l.strip_prefix(name))
            .and_then(|l| l.split_whitespace().next().and_then(|n| n.parse().ok()))
            .unwrap_or(0)
    };
    let unit = call.args.iter().rev().find_map(|a| a.strip_prefix('-')).unwrap_or("k").to_owned();
    let size = |n: u64| match unit.as_str() {
        "b" => (n << 10).to_string(),
        "m" => (n >> 10).to_string(),
        "g" => (n >> 20).to_string(),
        "h" => super::ls::human(n << 10),
        _ => n.to_string(),
    };
    let (total, free, available) = (kib("MemTotal:"), kib("MemFree:"), kib("MemAvailable:"));
    let cached = available.saturating_sub(free);
    let used = total.saturating_sub(available);
    let mut out = String::from(
        "              total        used        free      shared  buff/cache   available\nMem:  ",
    );
    for n in [total, used, free, 0, cached, available] {
        push(&mut out, format_args!(" {:>11}", size(n)));
    }
    push(&mut out, format_args!("\nSwap:  {:>11} {:>11} {:>11}\n", size(0), size(0), size(0)));
    call.out(&out);
    Begun::Exit(0)
}

/// `uptime`
pub(super) fn uptime(call: &mut Call<'_, '_, '_>) -> Begun {
    let text = call.sys.content("/proc/uptime").unwrap_or_default();
    let seconds: u64 =
        String::from_utf8_lossy(&text).split('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let (minutes, hours, days) = (seconds / 60 % 60, seconds / 3600 % 24, seconds / 86_400);
    let mut out = format!(" {} up ", super::date::at("%H:%M:%S", call.sys.now()));
    if days > 0 {
        push(&mut out, format_args!("{days} day{}, ", if days == 1 { "" } else { "s" }));
    }
    if hours > 0 {
        push(&mut out, format_args!("{hours:2}:{minutes:02}"));
    } else {
        push(&mut out, format_args!("{minutes} min"));
    }
    out.push_str(",  0 users,  load average: 0.00, 0.00, 0.00\n");
    call.out(&out);
    Begun::Exit(0)
}

/// `clear`
pub(super) fn clear(call: &mut Call<'_, '_, '_>) -> Begun {
    call.out("\x1b[H\x1b[J");
    Begun::Exit(0)
}

/// `sync`, and `fsync` of files that are there
pub(super) fn sync(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut status = 0;
    for file in call.args.iter().filter(|a| !a.starts_with('-')) {
        if let Err(e) = call.sys.stat(file, true) {
            call.err(&format!("can't open '{file}': {e}"));
            status = 1;
        }
    }
    Begun::Exit(status)
}
