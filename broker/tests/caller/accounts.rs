//! Accounts and groups. Another account needs root.

use crate::actor::{Stage, can_run};

const NOBODY: [&str; 5] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--",
];

#[test]
fn the_own_account_is_known() {
    let stage = Stage::new();
    let actor = stage.start(&["env"], &stage.program("own"));
    let caller = stage.accept().unwrap().identify().unwrap();
    assert_eq!(caller.uid, nix::unistd::geteuid().as_raw());
    assert_eq!(caller.gid, nix::unistd::getegid().as_raw());
    assert_eq!(caller.pid, Some(actor.pid()));
}

#[test]
fn an_unchanged_caller_is_the_same_from_request_to_request() {
    let stage = Stage::new();
    let _actor = stage.start(&["env"], &stage.program("own"));
    let peer = stage.accept().unwrap();
    let first = peer.identify().unwrap();
    assert!(
        std::sync::Arc::ptr_eq(&first, &peer.identify().unwrap()),
        "nothing was copied"
    );
}

#[test]
fn another_account_is_known_by_its_numbers() {
    if !can_run(&NOBODY) {
        return;
    }
    let stage = Stage::new();
    let actor = stage.start(&NOBODY, &stage.program("other"));
    let caller = stage.accept().unwrap().identify().unwrap();
    assert_eq!((caller.uid, caller.gid), (65534, 65534));
    assert_eq!(caller.groups, [0_u32; 0]);
    assert_eq!(caller.pid, Some(actor.pid()));
}

#[test]
fn every_supplementary_group_is_known_however_many() {
    let groups: Vec<u32> = (70_000..70_100).collect();
    let list = groups
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let groups_option = format!("--groups={list}");
    let before = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        &groups_option,
        "--",
    ];
    if !can_run(&before) {
        return;
    }
    let stage = Stage::new();
    let _actor = stage.start(&before, &stage.program("other"));
    assert_eq!(stage.accept().unwrap().identify().unwrap().groups, groups);
}

#[test]
fn root_in_a_user_namespace_of_ones_own_is_the_account_itself() {
    let own_root = ["unshare", "--user", "--map-root-user"];
    let mut before = own_root.to_vec();
    let mut want = nix::unistd::geteuid().as_raw();
    if nix::unistd::geteuid().is_root() {
        before = [&NOBODY[..], &own_root].concat();
        want = 65534;
    }
    if !can_run(&before) {
        return;
    }
    let stage = Stage::new();
    let _actor = stage.start(&before, &stage.program("own-root"));
    assert_eq!(stage.accept().unwrap().identify().unwrap().uid, want);
}
