//! What a program may do: its user, its limits, its files.

use super::bed::{Bed, shell};
use crate::spec::{Answer, Confine, Confined, User};
use std::os::unix::fs::PermissionsExt;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn the_environment_is_exactly_what_was_given_and_the_limits_hold() {
    let mut pty = shell(
        "env | sort; umask; ulimit -n; ulimit -Hn; grep -i -E 'nonewprivs|sigblk|sigign' /proc/self/status",
    );
    pty.env = vec![
        ("PATH".into(), "/usr/bin:/bin".into()),
        ("B".into(), "two words".into()),
    ];
    pty.open_files = Some((100, 200));
    let bed = Bed::new(pty).start();
    let mut node = bed.node(0);
    node.until_end();
    let text = node.text();
    // PWD is the shell's own.
    assert!(
        text.starts_with("B=two words\nPATH=/usr/bin:/bin\nPWD=/\n0022\n100\n200\n"),
        "{text}"
    );
    assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    assert!(text.contains("SigBlk:\t0000000000000000"), "{text}");
    assert!(text.contains("SigIgn:\t0000000000000000"), "{text}");
}

#[test]
fn as_root_the_program_runs_as_its_own_user() {
    if !is_root() {
        return;
    }
    let mut pty = shell("id -u; id -g; id -G; echo to the terminal > /dev/stdout; echo to it > $(tty)");
    let user = User {
        uid: 765_432,
        gid: 765_433,
        exclusive: true,
    };
    pty.user = Some(user);
    let bed = Bed::new(pty).start();
    let mut node = bed.node(0);
    node.until_end();
    assert_eq!(node.text(), "765432\n765433\n765433\nto the terminal\nto it\n");
}

#[test]
fn landlock_keeps_a_program_out_of_what_is_denied() {
    let data = tempfile::tempdir_in("/var/tmp").unwrap();
    let own = data.path().join("servers/mine");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::create_dir_all(data.path().join("servers/other")).unwrap();
    std::fs::write(data.path().join("secret"), "key").unwrap();
    std::fs::write(data.path().join("servers/other/world"), "theirs").unwrap();
    for path in [data.path(), &own] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut pty = shell(
        "cat ../../secret ../other/world 2>/dev/null || echo denied; { echo x > /var/tmp/roost-landlock; } 2>/dev/null \
         || echo no writing; echo fine > note; cat note; echo > /tmp/roost-landlock-ok && rm /tmp/roost-landlock-ok; \
         kill -0 $PPID 2>/dev/null || echo no signals; head -c 3 /dev/zero | wc -c; ls / > /dev/null && echo listed",
    );
    pty.cwd.clone_from(&own);
    pty.confine = Some(Confine {
        denied: vec![data.path().to_owned()],
        readable: Vec::new(),
        writable: vec![own.clone()],
    });
    let mut bed = Bed::new(pty);
    let Answer::Ready { confined, .. } = bed.try_start() else {
        panic!("not started");
    };
    let mut node = bed.node(0);
    node.until_end();
    match confined {
        Confined::Fully => assert_eq!(node.text(), "denied\nno writing\nfine\nno signals\n3\nlisted\n"),
        Confined::Partly => assert!(
            node.text().starts_with("denied\nno writing\nfine\n"),
            "{}",
            node.text()
        ),
        other => assert_eq!(other, Confined::Unsupported),
    }
}

#[test]
fn what_a_keeper_holds_is_known_as_such_and_nothing_else_is() {
    let bed = Bed::run("(sleep 20 &) ; echo $$; read line");
    let mut node = bed.node(0);
    node.until_text("\n");
    let orphans = || crate::tree::children_of(bed.keeper);
    super::bed::wait_for("the orphan has its new parent", || orphans().len() == 2);
    for pid in orphans() {
        assert!(crate::is_held(pid), "{pid}");
    }
    assert!(!crate::is_held(i32::try_from(std::process::id()).unwrap()));
    assert!(!crate::is_held(bed.keeper), "a keeper itself is not held");
    assert!(crate::is_held(i32::MAX), "what is gone may have been");
}
