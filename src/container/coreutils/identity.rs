//! Who and where one is: `id`, `whoami`, `groups`, `logname`, `uname`, `arch`, `hostname`, `hostid`,
//! `nproc`, `tty`.

use super::ls::name_of;
use super::options::Syntax;
use super::{Begun, Call};

const ID: Syntax = Syntax {
    short: "ugGnr",
    long: &[("group", 'g'), ("groups", 'G'), ("name", 'n'), ("real", 'r'), ("user", 'u')],
    usage: "[-ugGnr] [USER]",
    status: 1,
};

/// The groups of a user: its own, and those that name it.
fn groups_of(call: &mut Call<'_, '_, '_>, user: Option<&str>, gid: u32) -> Vec<u32> {
    let mut all = vec![gid];
    // The runtime gives a container's process the groups that name its user.
    let own = call.sys.me().uid;
    let name = name_of(call, own, false, true);
    let user = user.unwrap_or(&name);
    let text = call.sys.content("/etc/group").unwrap_or_default();
    for line in String::from_utf8_lossy(&text).lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, number, members] = fields[..] else { continue };
        if let Ok(number) = number.parse()
            && members.split(',').any(|m| m == user)
            && !all.contains(&number)
        {
            all.push(number);
        }
    }
    all
}

/// `id`
pub(super) fn id(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(ID) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let (mut uid, mut gid) = (call.sys.me().uid, call.sys.me().gid);
    let mut user = None;
    if let Some(name) = options.operands.first() {
        let found = call.sys.passwd(|f| f.first().is_some_and(|n| *n == name.as_str()));
        let numbers = found.and_then(|f| Some((f.get(2)?.parse().ok()?, f.get(3)?.parse().ok()?)));
        let Some((u, g)) = numbers else {
            call.err(&format!("unknown user {name}"));
            return Begun::Exit(1);
        };
        (uid, gid) = (u, g);
        user = Some(name.to_string());
    }
    let shown = |call: &mut Call<'_, '_, '_>, id: u32, user: bool| {
        name_of(call, id, !options.has('n'), user)
    };
    let text = if options.has('u') {
        shown(call, uid, true)
    } else if options.has('g') {
        shown(call, gid, false)
    } else if options.has('G') {
        let groups = groups_of(call, user.as_deref(), gid);
        let names: Vec<String> = groups.into_iter().map(|g| shown(call, g, false)).collect();
        names.join(" ")
    } else {
        let named = |call: &mut Call<'_, '_, '_>, id: u32, user: bool| {
            let name = name_of(call, id, false, user);
            if name == id.to_string() { name } else { format!("{id}({name})") }
        };
        let groups = groups_of(call, user.as_deref(), gid);
        let names: Vec<String> = groups.into_iter().map(|g| named(call, g, false)).collect();
        let (u, g) = (named(call, uid, true), named(call, gid, false));
        format!("uid={u} gid={g} groups={}", names.join(","))
    };
    call.out(&format!("{text}\n"));
    Begun::Exit(0)
}

/// `logname`: there is no terminal that somebody could have logged in at.
pub(super) fn logname(call: &mut Call<'_, '_, '_>) -> Begun {
    if call.is_gnu() {
        call.err("no login name");
    } else {
        call.err("getlogin: No such device or address");
    }
    Begun::Exit(1)
}

/// `whoami`
pub(super) fn whoami(call: &mut Call<'_, '_, '_>) -> Begun {
    let uid = call.sys.me().uid;
    let name = name_of(call, uid, false, true);
    if name == uid.to_string() {
        call.err(&format!("unknown uid {uid}"));
        return Begun::Exit(1);
    }
    call.out(&format!("{name}\n"));
    Begun::Exit(0)
}

/// `groups`
pub(super) fn groups(call: &mut Call<'_, '_, '_>) -> Begun {
    let gid = call.sys.me().gid;
    let user = call.args.first().map(ToString::to_string);
    let names: Vec<String> = groups_of(call, user.as_deref(), gid)
        .into_iter()
        .map(|g| name_of(call, g, false, false))
        .collect();
    call.out(&format!("{}\n", names.join(" ")));
    Begun::Exit(0)
}

const UNAME: Syntax = Syntax {
    short: "snrvmpioa",
    long: &[
        ("all", 'a'),
        ("hardware-platform", 'i'),
        ("kernel-name", 's'),
        ("kernel-release", 'r'),
        ("kernel-version", 'v'),
        ("machine", 'm'),
        ("nodename", 'n'),
        ("operating-system", 'o'),
        ("processor", 'p'),
    ],
    usage: "[-amnrspvio]",
    status: 1,
};

/// `uname`
pub(super) fn uname(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(UNAME) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let facts = [
        ('s', "Linux".to_owned()),
        ('n', call.sys.os.hostname.to_string()),
        ('r', "6.1.0".to_owned()),
        ('v', "#1 SMP".to_owned()),
        ('m', "x86_64".to_owned()),
        ('p', "unknown".to_owned()),
        ('i', "unknown".to_owned()),
        ('o', "GNU/Linux".to_owned()),
    ];
    let all = options.has('a');
    let none = options.given.is_empty();
    let shown: Vec<String> = facts
        .into_iter()
        .filter(|(letter, text)| {
            options.has(*letter) || all && text != "unknown" || none && *letter == 's'
        })
        .map(|(_, text)| text)
        .collect();
    call.out(&format!("{}\n", shown.join(" ")));
    Begun::Exit(0)
}

/// `arch`
pub(super) fn arch(call: &mut Call<'_, '_, '_>) -> Begun {
    call.out("x86_64\n");
    Begun::Exit(0)
}

/// `hostname`
pub(super) fn hostname(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax =
        Syntax { short: "dfisF:I", long: &[], usage: "[-sidf] [HOSTNAME | -F FILE]", status: 1 };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    if !options.operands.is_empty() || options.has('F') {
        call.err("sethostname: Operation not permitted");
        return Begun::Exit(1);
    }
    let name = call.sys.os.hostname.to_string();
    let (short, domain) = name.split_once('.').unwrap_or((&name, ""));
    let text = if options.has('i') || options.has('I') {
        call.sys.os.pod_ip.map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_string())
    } else if options.has('s') {
        short.to_owned()
    } else if options.has('d') {
        domain.to_owned()
    } else {
        name
    };
    call.out(&format!("{text}\n"));
    Begun::Exit(0)
}

/// `nproc`: as many as /proc/cpuinfo shows.
pub(super) fn nproc(call: &mut Call<'_, '_, '_>) -> Begun {
    let text = call.sys.content("/proc/cpuinfo").unwrap_or_default();
    let all = String::from_utf8_lossy(&text).lines().filter(|l| l.starts_with("processor")).count();
    let ignored: usize = call
        .args
        .iter()
        .find_map(|a| a.strip_prefix("--ignore="))
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    call.out(&format!("{}\n", all.saturating_sub(ignored).max(1)));
    Begun::Exit(0)
}

/// `tty`: there is none.
pub(super) fn tty(call: &mut Call<'_, '_, '_>) -> Begun {
    if !call.args.iter().any(|a| a == "-s") {
        call.out("not a tty\n");
    }
    Begun::Exit(1)
}

/// `hostid`
pub(super) fn hostid(call: &mut Call<'_, '_, '_>) -> Begun {
    call.out("00000000\n");
    Begun::Exit(0)
}
