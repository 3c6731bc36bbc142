//! Callers, and brokers, that see another machine than the other end does.

use broker::caller::Gone;

use crate::actor::{Stage, can_run, is_within, passes_within};

#[test]
fn a_program_mounted_over_the_allowed_one_in_a_foreign_mount_namespace_does_not_count() {
    let unshare = ["unshare", "--user", "--map-root-user", "--mount"];
    if !can_run(&unshare) {
        return;
    }
    let stage = Stage::new();
    let (allowed, forged) = (stage.program("allowed"), stage.program("forged"));
    // Run from where the broker sees the allowed program.
    let script = r#"mount --bind "$0" "$1" && exec "$@""#;
    let before = [
        &unshare[..],
        &["sh", "-c", script, forged.to_str().unwrap()],
    ]
    .concat();
    let actor = stage.start(&before, &allowed);
    let link = std::fs::read_link(format!("/proc/{}/exe", actor.pid())).unwrap();
    assert_eq!(link, allowed, "the name is the allowed one");
    assert_eq!(stage.accept().unwrap().identify().unwrap().exe, None);

    // The control: without the mount, the same name counts.
    let _actor = stage.start(&["env"], &allowed);
    let caller = stage.accept().unwrap().identify().unwrap();
    assert_eq!(caller.exe.as_deref(), allowed.to_str());
}

#[test]
fn a_process_in_another_pid_namespace_has_no_attribute_of_a_process() {
    let unshare = [
        "unshare",
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
    ];
    if !can_run(&unshare) {
        return;
    }
    let stage = Stage::new();
    let mut actor = stage.start(&unshare, &stage.program("contained"));
    let peer = stage.accept().unwrap();
    let caller = peer.identify().unwrap();
    assert_eq!(caller.uid, nix::unistd::geteuid().as_raw());
    let rest = (
        caller.pid,
        &caller.unit,
        &caller.user_unit,
        &caller.exe,
        caller.sha256,
    );
    assert_eq!(rest, (None, &None, &None, &None, None));
    actor.ends();
    assert_eq!(peer.identify(), Err(Gone), "its end is seen all the same");
}

/// The numbers that the kernel gives for peers are then not those in `/proc`.
#[test]
fn a_broker_whose_proc_is_of_another_pid_namespace_knows_no_processes() {
    let unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork"];
    if !is_within() && !can_run(&unshare) {
        return;
    }
    let test = "namespaces::a_broker_whose_proc_is_of_another_pid_namespace_knows_no_processes";
    if passes_within(&unshare, test) {
        return;
    }
    let stage = Stage::new();
    let mut actor = stage.start(&["env"], &stage.program("caller"));
    let peer = stage.accept().unwrap();
    let caller = peer.identify().unwrap();
    assert_eq!(
        (caller.pid, &caller.unit, &caller.exe),
        (None, &None, &None)
    );
    actor.ends();
    assert_eq!(peer.identify(), Err(Gone), "its end is seen all the same");
}
