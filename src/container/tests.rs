//! What scripts do in containers, told as facts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;

const START: SimTime = SimTime::from_secs(1_736_935_200);
/// No test runs longer in virtual time.
const BUDGET: Duration = Duration::from_secs(3600);

/// What came of a script.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    out: String,
    code: Option<u8>,
    after: u64,
}

fn network() -> Network {
    let mut network = Network::new();
    let web = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 20));
    network.set_name("web.default.svc.cluster.local", DnsRecord::one(web));
    network.listen(SocketAddr::new(web, 80), Listener::Http([HttpRule::default()].into()));
    network.black_hole(Ipv4Addr::new(10, 97, 0, 0), 16);
    network
}

fn with_spec<T>(
    image: &str,
    argv: &[&str],
    limits: Limits,
    f: impl FnOnce(&StartSpec<'_>) -> T,
) -> T {
    let argv: Vec<Str> = argv.iter().map(|&a| a.into()).collect();
    let env: [(Str, Str); 2] =
        [("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), "/root".into())];
    f(&StartSpec {
        image,
        argv: Some(&argv),
        env: &env,
        pod_ip: Some(Ipv4Addr::new(10, 244, 1, 7)),
        limits,
        ..StartSpec::default()
    })
}

fn play(image: &str, argv: &[&str], limits: Limits) -> (Told, Container) {
    let network = network();
    let mut volumes = Volumes::new();
    with_spec(image, argv, limits, |spec| {
        let mut now = START;
        let mut world = World { now, network: &network, volumes: &mut volumes };
        let mut container = Container::start(spec, &mut world).expect("the shell is in the image");
        let mut out = Vec::new();
        loop {
            let mut world = World { now, network: &network, volumes: &mut volumes };
            let progress = container.run(&mut world);
            let stdout = progress.output.into_iter().filter(|o| o.stream == OutputStream::Stdout);
            stdout.for_each(|o| out.extend(o.bytes));
            let code = progress.ended.map(Ended::code);
            match progress.wake.filter(|at| code.is_none() && at.since(START) < BUDGET) {
                Some(at) => now = at,
                None => {
                    let out = String::from_utf8_lossy(&out).into_owned();
                    return (Told { out, code, after: now.since(START).as_secs() }, container);
                }
            }
        }
    })
}

fn sh(script: &str) -> Told {
    play("busybox", &["sh", "-c", script], Limits::default()).0
}

fn check(shell: &str, script: &str, out: &str) {
    let told = play("tools", &[shell, "-c", script], Limits::default()).0;
    assert_eq!(told.out, out, "{shell} -c {script:?}");
}

#[test]
fn a_script_reads_nothing_of_the_host() {
    // The host's own files of these names, if it has them, say something else.
    check("sh", "cat /etc/shadow /etc/os-release 2>&1 | wc -l", "2\n");
    check("sh", "cat /etc/hostname", "pod-0\n");
    check(
        "sh",
        "ls -d /proc/self /proc/1 >/dev/null; tr '\\0' ' ' < /proc/1/cmdline | cut -c1-6",
        "sh -c \n",
    );
    check("sh", "ls /work /usr/local/cargo /Users /root 2>/dev/null | wc -l", "1\n");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let told = sh("echo $PATH; env | wc -l");
    assert!(!told.out.starts_with(&*path.to_string_lossy()), "{told:?}");
}

#[test]
fn a_script_writes_nothing_to_the_host() {
    let name = format!("/tmp/wavetank-reaches-the-host-{}", std::process::id());
    let told = sh(&format!(
        "echo x > {name}; mkdir {name}.d; cat {name}; kill -9 -1; rm -rf /* 2>/dev/null; ls /tmp 2>&1"
    ));
    assert!(told.out.starts_with("x\n"), "{told:?}");
    assert!(!std::path::Path::new(&name).exists());
    assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml").exists());
}

#[test]
fn a_script_reaches_no_address_outside() {
    check("sh", "wget -q -O- http://example.com/ 2>/dev/null; echo $?", "1\n");
    check(
        "bash",
        "curl -s http://127.0.0.1:22/; echo $?; exec 3<>/dev/tcp/8.8.8.8/53; echo $?",
        "7\n1\n",
    );
}

#[test]
fn a_program_of_the_host_is_not_there() {
    let absent = with_spec("busybox", &["/usr/bin/env-of-the-host"], Limits::default(), |spec| {
        let (network, mut volumes) = (network(), Volumes::new());
        Container::start(spec, &mut World { now: START, network: &network, volumes: &mut volumes })
            .map(drop)
    });
    assert!(matches!(absent, Err(StartError::ExecutableNotFound { .. })));
    check("sh", "git --version; python3 -V; cargo; echo $?", "127\n");
}

#[test]
fn a_busy_loop_is_set_aside_and_reported() {
    let limits = Limits { steps_per_instant: 10_000, ..Limits::default() };
    let (told, container) = play("busybox", &["sh", "-c", "while true; do :; done"], limits);
    assert_eq!((told.code, told.after), (None, 0));
    assert!(container.complaints()[0].contains("busy loop"), "{:?}", container.complaints());
    // Each of its programs counts for what starting one costs.
    let (told, container) =
        play("busybox", &["sh", "-c", "until false; do nslookup nosuch; done"], limits);
    assert!(told.out.lines().count() < 2000, "{} lines", told.out.lines().count());
    assert!(container.complaints()[0].contains("busy loop"), "{:?}", container.complaints());
    // So does looking for one that is not there.
    let (told, container) =
        play("busybox", &["sh", "-c", "until nosuch 2>&-; do echo x; done"], limits);
    assert!(told.out.lines().count() < 300, "{} lines", told.out.lines().count());
    assert!(container.complaints()[0].contains("busy loop"), "{:?}", container.complaints());
}

#[test]
fn options_of_mapfile_may_be_any_character() {
    check("bash", "mapfile -\u{fffd}t l < <(printf 'a\\nb\\n'); echo ${#l[@]}", "2\n");
}

#[test]
fn time_limits_end_programs_as_each_image_has_it() {
    assert_eq!(
        sh("timeout 3 sleep 10; echo $?"),
        Told { out: "143\n".into(), code: Some(0), after: 3 }
    );
    let debian = ["sh", "-c", "timeout 3 sleep 10; echo $?; timeout 3 sleep 1; echo $?"];
    let told = play("debian", &debian, Limits::default()).0;
    assert_eq!(told, Told { out: "124\n0\n".into(), code: Some(0), after: 4 });
    assert_eq!(sh("timeout 2 wget -q -O- http://10.97.0.1/; echo $?").after, 2);
}

#[test]
fn processes_are_found_by_name_and_signalled() {
    check(
        "sh",
        "sleep 100 & sleep 200 & pgrep -x sleep | wc -l; pkill sleep; wait; pidof sleep; echo $?",
        "2\n1\n",
    );
    check("sh", "killall nosuch 2>&1", "killall: nosuch: no process killed\n");
    check("bash", "sleep 9 & kill $!; wait $!; echo $?", "143\n");
}

#[test]
fn servers_inside_are_reached_by_clients_inside() {
    check("sh", "echo hello | nc -l -p 99 & sleep 1; nc 127.0.0.1 99 </dev/null; wait", "hello\n");
    check(
        "sh",
        "mkdir /www; echo page > /www/index.html; httpd -p 8080 -h /www; wget -qO- http://localhost:8080/",
        "page\n",
    );
    check(
        "sh",
        "nc -z 10.244.1.7 8080; echo $?; httpd -p 8080 -h /root; nc -z 10.244.1.7 8080; echo $?",
        "1\n0\n",
    );
}

#[test]
fn what_listens_inside_is_seen_from_outside() {
    let script = "printf 'HTTP/1.1 200 OK\\r\\n\\r\\n' | nc -l -p 8080";
    let container = play("busybox", &["sh", "-c", script], Limits::default()).1;
    let listening = container.listening(START);
    let [(8080, Listener::Tcp(server))] = listening.as_slice() else { panic!("{listening:?}") };
    assert!(server.banner.starts_with(b"HTTP/1.1 200"));
    let mut network = network();
    let at: SocketAddr = ([10, 244, 1, 7], 8080).into();
    network.listen(at, listening[0].1.clone());
    let answered = Dialled::Answered { status: 200, delay: Duration::ZERO };
    assert_eq!(dial(&network, at, Some("/healthz")), answered);
    assert_eq!(dial(&network, at, None), Dialled::Open);
}

#[test]
fn locks_keep_processes_apart() {
    let script = "f() { flock -x 9; echo $1; sleep 2; }; (f a) 9>/tmp/l & (f b) 9>/tmp/l & wait; flock -n /tmp/l echo c";
    assert_eq!(sh(script), Told { out: "a\nb\nc\n".into(), code: Some(0), after: 4 });
    check("sh", "exec 9>/tmp/l; flock 9; flock -n /tmp/l true; echo $?", "1\n");
}

#[test]
fn pings_are_counted_and_lost_ones_waited_for() {
    let told = sh("ping -c 2 10.244.1.7 | tail -n 2 | head -n 1");
    assert_eq!(
        (told.out.as_str(), told.after),
        ("2 packets transmitted, 2 packets received, 0% packet loss\n", 1)
    );
    assert_eq!(
        sh("ping -c 1 -W 3 10.97.0.1 >/dev/null; echo $?"),
        Told { out: "1\n".into(), code: Some(0), after: 3 }
    );
}

#[test]
fn names_are_looked_up_by_every_tool() {
    check("bash", "wget -qO- web; curl -s web", "");
    let network_tools =
        "getent hosts web; host web; dig +short web.default.svc.cluster.local; dig +short nosuch";
    let told = play("unknown/image", &["sh", "-c", network_tools], Limits::default()).0;
    assert_eq!(
        told.out,
        "10.96.0.20      web.default.svc.cluster.local\nweb.default.svc.cluster.local has address 10.96.0.20\n10.96.0.20\n"
    );
}

#[test]
fn bash_puts_text_before_and_after_each_element() {
    check(
        "bash",
        r#"a=(1 2); printf '%s ' "${a[@]/#/n}" "${a[@]/%/z}" "${a[@]//}""#,
        "n1 n2 1z 2z 1 2 ",
    );
}

#[test]
fn errors_are_trapped_where_they_are_seen() {
    check(
        "bash",
        "set -E; trap 'echo err' ERR; echo x | false; f() { false; true; }; f | cat; (false)",
        "err\nerr\nerr\nerr\n",
    );
    check("bash", r#"trap 'echo "$BASH_COMMAND"' ERR; false; test 1 = 2"#, "false\ntest 1 = 2\n");
}

#[test]
fn jobs_are_seen_in_a_substitution() {
    let script = "sleep 100 & sleep 200 & kill $(jobs -p); wait; echo over";
    assert_eq!(sh(script), Told { out: "over\n".into(), code: Some(0), after: 0 });
}

#[test]
fn a_double_bracket_of_ash_is_a_test_with_operators() {
    check(
        "sh",
        "[[ 1 -lt 2 && x = x ]] && echo and; [[ a = b || c = c ]] && echo or; set -n; echo never",
        "and\nor\n",
    );
}

#[test]
fn a_broken_pipe_ends_its_writer_in_silence() {
    let script = "(sleep 5; echo hi) | { read -t 2 x; echo $?; } 2>&1";
    assert_eq!(sh(script), Told { out: "1\n".into(), code: Some(0), after: 5 });
}

#[test]
fn a_working_directory_that_is_missing_is_made() {
    let spec = StartSpec { image: "busybox", cwd: "/not/there", ..StartSpec::default() };
    let argv: [Str; 3] = ["sh".into(), "-c".into(), "pwd".into()];
    let (network, mut volumes) = (network(), Volumes::new());
    let mut world = World { now: START, network: &network, volumes: &mut volumes };
    let spec = StartSpec { argv: Some(&argv), ..spec };
    let mut container = Container::start(&spec, &mut world).expect("it is made");
    assert_eq!(container.run(&mut world).output[0].bytes, b"/not/there\n");
}

#[test]
fn files_of_etc_are_made_when_they_are_looked_at() {
    check(
        "sh",
        "[ -s /etc/hosts ] && grep -c pod-0 /etc/hosts; cd /etc; grep -c ndots resolv.conf; mv hosts /h; grep -c pod-0 /h",
        "1\n1\n1\n",
    );
}

#[test]
fn curl_tries_again_when_told_to() {
    let told = play(
        "tools",
        &["sh", "-c", "curl -s --retry 2 --retry-connrefused http://web:81/; echo $?"],
        Limits::default(),
    )
    .0;
    assert_eq!(told, Told { out: "7\n".into(), code: Some(0), after: 3 });
    check(
        "sh",
        "curl -s -o /dev/null -w '%{http_code} %{num_redirects}\\n' http://web/",
        "200 0\n",
    );
}

#[test]
fn letters_beyond_ascii_are_options_that_nobody_knows() {
    for tool in coreutils::COREUTILS.iter().filter(|t| t.applet && t.name != "yes") {
        let name = tool.name;
        let script = format!(
            "for a in -é é -1é --é -né; do timeout 1 {name} $a </dev/null >/dev/null 2>&1; done; echo over"
        );
        check("sh", &script, "over\n");
    }
    check("bash", "curl -é x 2>/dev/null; echo $?", "2\n");
}

/// As busybox 1.36 and bash 5.2 did it.
#[test]
fn shells_do_what_real_ones_did() {
    // Unquoted, empty parameters are no fields; ash joins by IFS where bash does not.
    check("sh", "set -- '' '' a; for i in $*; do echo \"[$i]\"; done; echo $#", "[a]\n3\n");
    check("bash", "set -- '' '' a; for i in $@; do echo \"[$i]\"; done", "[a]\n");
    check("bash", "IFS=:; set -- a '' b; echo $*", "a  b\n");
    check("sh", "IFS=,; set -- 'a b' c; x=\"$@\"; echo \"$x\"", "a b,c\n");
    // `$?` of a substitution within one command.
    check("sh", "echo $(false) $?; x=$(exit 3); echo $?; x=$(false) y=$?; echo $y", "0\n3\n0\n");
    check("bash", "echo $(false) $?; case $(exit 6) in *) echo $?; esac", "1\n6\n");
    // Jobs are remembered.
    check(
        "sh",
        "(exit 3) & wait $!; echo $?; wait $!; echo $?; jobs",
        "3\n3\n[1]+  Done(3)                    \n",
    );
    check("bash", "(exit 2) & p=$!; wait; wait $p; echo $?; jobs; disown; echo $?", "2\n1\n");
    // Arrays.
    check(
        "bash",
        "mapfile -t l < <(printf 'a\\nb\\n'; sleep 1; echo c); echo ${#l[@]} ${l[2]}",
        "3 c\n",
    );
    check(
        "bash",
        "declare -A m=([x y]=1); m[b c]=2; k='q r'; m[$k]=3; echo ${m[x y]}${m[b c]}${m[q r]}",
        "123\n",
    );
    // Traps, options, locals.
    check("bash", "trap 'echo d' DEBUG; x=1; f() { echo f; }; f", "d\nd\nf\n");
    check(
        "sh",
        "set -- -a -b; getopts ab o; f() { getopts b p -b; echo $p; }; f; getopts ab o; echo $o; set -- -a; getopts ab o; echo $o",
        "b\nb\na\n",
    );
    check("bash", "readonly R=5; f() { local R=1; }; f; echo $?", "1\n");
    check(
        "sh",
        "[ '(' ]; echo $?; [ -f -a ]; echo $?; [ -v HOME ] 2>/dev/null; echo $?",
        "0\n1\n2\n",
    );
    check("sh", "set -x; [ a = b ] 2>&1; { echo 'a%b' x; } 2>&1", "+ echo 'a%b' x\na%b x\n");
    check("sh", "read -t 0 x < /dev/null; echo $?; [ -L /dev/stdin ] && echo link", "0\nlink\n");
}

#[test]
fn words_for_getopts_may_change_between_calls() {
    check(
        "sh",
        "set -- -abc; getopts abc o; getopts abc o; set -- -a; OPTIND=1; getopts abc o; echo $o",
        "a\n",
    );
    check(
        "bash",
        "set -- -abcdé; getopts abc o; getopts abc o; getopts abc o; set -- -a; getopts abc o; echo $o",
        "a\n",
    );
}

#[test]
fn archives_stay_where_they_are_unpacked_and_within_bounds() {
    check(
        "sh",
        "mkdir -p /w/d; cd /w; echo hi > d/f; tar czf a.tgz d; rm -r d; tar xzf a.tgz; cat d/f; tar tf a.tgz",
        "hi\nd/\nd/f\n",
    );
    check(
        "sh",
        "cd /tmp; tar cf a.tar /etc/hostname 2>/dev/null; tar xf a.tar; cat etc/hostname; tar xf a.tar nosuch 2>/dev/null; echo $?",
        "pod-0\n1\n",
    );
    check("sh", "echo x | gzip | zcat; echo x | zcat 2>/dev/null; echo $?", "x\n1\n");
    let limits = Limits { memory_bytes: 100_000, ..Limits::default() };
    let script =
        "head -c 90000 /dev/zero > f; gzip -c f > a.gz; cat a.gz a.gz > b.gz; zcat b.gz 2>&1";
    let told = play("busybox", &["sh", "-c", script], limits).0;
    assert_eq!(told.out, "zcat: more than 100000 bytes (memory_bytes)\n");
}

#[test]
fn calculators_calculate() {
    check("sh", "echo 'scale=2; 10/3' | bc; dc -e '2 3 + p'; factor 12", "3.33\n5\n12: 2 2 3\n");
    check(
        "sh",
        "echo '9^9^9' | bc 2>&1; echo $?; echo 'while(1) x' | bc 2>&1 | tail -1",
        "bc: number longer than 20000 digits\n1\nbc: more than 1000000 steps\n",
    );
}

#[test]
fn what_a_sleeping_script_holds_stays_small() {
    use std::mem::size_of;
    assert!(size_of::<Container>() <= 64, "{}", size_of::<Container>());
    assert!(size_of::<Live>() <= 448, "{}", size_of::<Live>());
    assert!(size_of::<os::Proc>() <= 176, "{}", size_of::<os::Proc>());
    let mut volumes = Volumes::new();
    let (a, b) = (
        volumes.shared.script(shell::Dialect::Ash, 1, &"echo a".into()),
        volumes.shared.script(shell::Dialect::Ash, 1, &"echo a".into()),
    );
    assert!(std::sync::Arc::ptr_eq(&a, &b), "one text is parsed once");
}

#[test]
fn a_bracket_alone_is_no_pattern_and_stays_with_nullglob() {
    check("bash", "shopt -s nullglob; [ 1 -eq 1 ] && echo [ *.none", "[\n");
}

#[test]
fn escapes_count_between_the_brackets_of_an_awk_expression() {
    check(
        "sh",
        "printf 'datadir\\t/x\\n' | awk '{ sub(/^[^ \\t]+[ \\t]+/, \"\"); print }'",
        "/x\n",
    );
}

#[test]
fn bash_knows_the_last_argument_of_the_command_before() {
    check("bash", ": a b; echo $_; x=1; echo \"[$_]\"; f() { :; }; f q; echo $_", "b\n[]\nq\n");
}

#[test]
fn a_builtin_that_was_taken_away_is_a_program() {
    check("bash", "enable -n echo; type -t echo; enable echo; type -t echo", "file\nbuiltin\n");
}

#[test]
fn options_of_shopt_are_listed_so_that_they_can_be_read_back() {
    let script = "shopt -s nullglob checkhash; shopt -p nullglob checkhash extglob; shopt | wc -l";
    let out = "shopt -s nullglob\nshopt -s checkhash\nshopt -u extglob\n57\n";
    check("bash", script, out);
}

#[test]
fn getopt_puts_a_command_line_in_order() {
    check("sh", "getopt -o ab: -l to: -- x -b 1 --to=2 -a", " -b '1' --to '2' -a -- 'x'\n");
}

#[test]
fn lines_of_two_files_are_joined_by_their_common_field() {
    let files = "printf 'a 1\\nb 2\\nd 4\\n' > l; printf 'a x\\na y\\nc z\\n' > r; ";
    let told = |line: &str| {
        let script = format!("{files}{line}");
        play("debian", &["bash", "-c", &script], Limits::default()).0.out
    };
    assert_eq!(told("join l r"), "a 1 x\na 1 y\n");
    assert_eq!(told("join -a 1 -a 2 -e - -o 0,1.2,2.2 l r"), "a 1 x\na 1 y\nb 2 -\nc - z\nd 4 -\n");
    assert_eq!(told("join -v 2 l r; join -t, l nosuch || echo $?"), "c z\n1\n");
}

#[test]
fn under_an_init_a_program_is_ended_by_a_signal_that_it_does_not_handle() {
    // As PID 1 the shell would go on.
    let script = "kill -TERM 1; sleep 100";
    let told = |argv: &[&str]| play("redis:7-alpine", argv, Limits::default()).0;
    let under = told(&["/sbin/tini", "--", "sh", "-c", script]);
    assert_eq!((under.code, under.after), (Some(143), 0), "{under:?}");
    let alone = told(&["sh", "-c", script]);
    assert_eq!((alone.code, alone.after), (Some(0), 100), "{alone:?}");
    let user = told(&["/sbin/su-exec", "1000:1000", "id", "-u"]);
    assert_eq!(user.out, "1000\n");
}

#[test]
fn a_program_behind_an_init_that_is_not_known_is_assumed() {
    let network = network();
    let mut volumes = Volumes::new();
    with_spec("acme/app", &["tini", "--", "app"], Limits::default(), |spec| {
        let mut world = World { now: START, network: &network, volumes: &mut volumes };
        let container = Container::start(spec, &mut world).expect("it is assumed to be there");
        assert_eq!(container.assumptions().len(), 1);
    });
}
