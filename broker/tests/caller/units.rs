//! Units, with real control groups. Needs root and the machine's own cgroup namespace.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::actor::{Stage, can_run, is_within, passes_within, skipped};

/// A control group, removed with its test together with those above it that it made.
struct Group {
    path: PathBuf,
    made: Vec<PathBuf>,
}

impl Group {
    /// `None` where there can be none, after saying so.
    fn make(name: &str) -> Option<Self> {
        let Some(hierarchy) = hierarchy() else {
            skipped("no hierarchy of control groups is mounted");
            return None;
        };
        let mut group = Self {
            path: hierarchy,
            made: Vec::new(),
        };
        for component in name.split('/') {
            group.path.push(component);
            match fs::create_dir(&group.path) {
                Ok(()) => group.made.push(group.path.clone()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // Another test has just taken away the group above.
                Err(error) if error.kind() == ErrorKind::NotFound => return Self::make(name),
                Err(error) => {
                    skipped(&format!(
                        "no control group {}: {error}",
                        group.path.display()
                    ));
                    return None;
                }
            }
        }
        Some(group)
    }

    fn take(&self, pid: i32) {
        fs::write(self.path.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// Words that put the program behind them into this group.
    fn enter(&self) -> [&str; 4] {
        let script = r#"echo $$ >"$0/cgroup.procs" && exec "$@""#;
        ["sh", "-c", script, self.path.to_str().unwrap()]
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            // Another test may use it by now.
            drop(fs::remove_dir(path));
        }
    }
}

/// Where the hierarchy is mounted that systemd would keep its units in.
fn hierarchy() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let of_kind = |kind: &str, option: &str| {
        let mut lines = mounts.lines().filter_map(|line| line.split_once(" - "));
        let (place, _) = lines.find(|(_, rest)| rest.starts_with(kind) && rest.contains(option))?;
        place
            .split(' ')
            .nth(4)
            .map(|path| Path::new(path).to_owned())
    };
    of_kind("cgroup ", "name=systemd").or_else(|| of_kind("cgroup2 ", ""))
}

/// Names that no other test, run or real unit has.
fn unique() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    std::process::id() * 100 + COUNT.fetch_add(1, Ordering::Relaxed)
}

/// The number of an account that does not exist.
fn nobodys() -> u32 {
    3_000_000_000 + unique()
}

#[test]
fn a_system_service_is_known_by_its_unit() {
    let unit = format!("tokend-test-{}.service", unique());
    let Some(group) = Group::make(&format!("system.slice/{unit}")) else {
        return;
    };
    let stage = Stage::new();
    let _actor = stage.start(&group.enter(), &stage.program("service"));
    let caller = stage.accept().unwrap().identify().unwrap();
    assert_eq!(
        (caller.unit.as_deref(), &caller.user_unit),
        (Some(unit.as_str()), &None)
    );
}

#[test]
fn a_users_unit_that_bears_a_system_units_name_is_not_that_unit() {
    let uid = nobodys();
    let slice = format!("user.slice/user-{uid}.slice");
    let name = format!("{slice}/user@{uid}.service/app.slice/label-sync.service");
    let Some(group) = Group::make(&name) else {
        return;
    };
    let reuid = format!("--reuid={uid}");
    let account = ["setpriv", &reuid, "--regid=65534", "--clear-groups", "--"];
    if !can_run(&account) {
        return;
    }
    let stage = Stage::new();
    let before = [&group.enter()[..], &account].concat();
    let _actor = stage.start(&before, &stage.program("service"));
    let caller = stage.accept().unwrap().identify().unwrap();
    assert_eq!(caller.uid, uid);
    assert_eq!(caller.unit, Some(format!("user@{uid}.service")));
    assert_eq!(caller.user_unit.as_deref(), Some("label-sync.service"));

    // Another account's process below this account's manager is in no unit of its own account.
    let _actor = stage.start(&group.enter(), &stage.program("root"));
    let caller = stage.accept().unwrap().identify().unwrap();
    assert_eq!(caller.user_unit, None);
}

#[test]
fn a_process_moved_between_accept_and_request_has_no_unit_any_more() {
    let (first, second) = (unique(), unique());
    let Some(first) = Group::make(&format!("system.slice/tokend-test-{first}.service")) else {
        return;
    };
    let Some(second) = Group::make(&format!("system.slice/tokend-test-{second}.service")) else {
        return;
    };
    let stage = Stage::new();
    let actor = stage.start(&first.enter(), &stage.program("service"));
    let peer = stage.accept().unwrap();
    assert!(peer.identify().unwrap().unit.is_some());
    second.take(actor.pid());
    assert_eq!(peer.identify().unwrap().unit, None);
    first.take(actor.pid());
    assert_eq!(
        peer.identify().unwrap().unit,
        None,
        "nor when it has moved back"
    );
}

/// Below a root that is delegated to an account, that account's units would look like the system's.
#[test]
fn a_broker_in_a_cgroup_namespace_knows_no_units() {
    let root = std::env::var(ROOT)
        .unwrap_or_else(|_| format!("user.slice/user-{uid}.slice", uid = nobodys()));
    let Some(group) = Group::make(&root) else {
        return;
    };
    let variable = format!("{ROOT}={root}");
    let before = [
        &group.enter()[..],
        &["env", &variable, "unshare", "--cgroup"],
    ]
    .concat();
    if !is_within() && !can_run(&before) {
        return;
    }
    if passes_within(
        &before,
        "units::a_broker_in_a_cgroup_namespace_knows_no_units",
    ) {
        return;
    }
    let Some(service) = Group::make(&format!("{root}/system.slice/label-sync.service")) else {
        return;
    };
    let stage = Stage::new();
    let actor = stage.start(&service.enter(), &stage.program("service"));
    let shown = fs::read_to_string(format!("/proc/{}/cgroup", actor.pid())).unwrap();
    assert!(
        shown.contains(":/system.slice/label-sync.service\n"),
        "a forged path: {shown}"
    );
    let caller = stage.accept().unwrap().identify().unwrap();
    assert!(caller.pid.is_some());
    assert_eq!((&caller.unit, &caller.user_unit), (&None, &None));
}

const ROOT: &str = "TOKEND_TEST_CGROUP_ROOT";
