//! Which systemd unit holds a process, from the text of `/proc/PID/cgroup`.
//!
//! A system unit is the first component below the slices, as `sd_pid_get_unit` reads it; what is
//! below a unit was delegated to it and is named by the account it was delegated to. So a user's own
//! `label-sync.service` is below `user@UID.service`, and can be that account's `user_unit` but
//! never a `unit`. Stricter than systemd in three points: only services and scopes count; below
//! `user.slice` only the units that belong there; and where two hierarchies disagree, neither
//! counts.
//!
//! Pure: text in, names out.

/// The units that hold a process.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Units {
    pub(super) system: Option<String>,
    pub(super) user: Option<String>,
}

/// Reads the text of `/proc/PID/cgroup` of a process of account `uid`.
pub(super) fn units(cgroup: &[u8], uid: u32) -> Units {
    let text = str::from_utf8(cgroup).unwrap_or_default();
    let paths = text.lines().filter_map(systemd_path);
    // `/` says nothing: the hierarchy that systemd does not use leaves everybody there.
    let paths: Vec<&str> = paths.filter(|path| *path != "/").collect();
    let units = match paths[..] {
        [path] => units_of_path(path, uid),
        [path, other] if path == other => units_of_path(path, uid),
        _ => None,
    };
    units.unwrap_or_default()
}

/// The path in one of the two hierarchies that systemd may keep its units in: the unified one
/// (`0::PATH`), and the named one of older set-ups (`N:name=systemd:PATH`).
fn systemd_path(line: &str) -> Option<&str> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let unified = number == "0" && controllers.is_empty();
    (unified || controllers == "name=systemd").then_some(path)
}

fn units_of_path(path: &str, uid: u32) -> Option<Units> {
    let components: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    // Outside the root of our cgroup namespace, or no path at all.
    let leads_astray = |name: &&str| matches!(*name, "" | "." | "..");
    if components.iter().any(leads_astray) {
        return None;
    }
    let (unit, below) = first_unit(&components)?;
    let of_a_user = components
        .first()
        .is_some_and(|slice| unescaped(slice) == "user.slice");
    if of_a_user && !is_session(unit) && !is_manager(unit) {
        return None;
    }
    let own_manager = unit == format!("user@{uid}.service");
    let user = first_unit(below).filter(|_| own_manager);
    Some(Units {
        system: Some(unit.to_owned()),
        user: user.map(|(unit, _)| unit.to_owned()),
    })
}

/// Skips the slices; the unit, and what is below it.
fn first_unit<'a, 'b>(components: &'b [&'a str]) -> Option<(&'a str, &'b [&'a str])> {
    let slices = components
        .iter()
        .take_while(|name| is_slice(unescaped(name)))
        .count();
    let (unit, below) = components.get(slices..)?.split_first()?;
    let unit = unescaped(unit);
    is_unit(unit).then_some((unit, below))
}

/// systemd puts `_` before a name that the kernel might take for a file of its own (`cpu.service`).
fn unescaped(component: &str) -> &str {
    component.strip_prefix('_').unwrap_or(component)
}

fn is_slice(name: &str) -> bool {
    name.strip_suffix(".slice")
        .is_some_and(|stem| is_name(name, stem) && !stem.contains('@'))
}

/// A service or scope; of a template only its instances.
fn is_unit(name: &str) -> bool {
    let stem = name
        .strip_suffix(".service")
        .or_else(|| name.strip_suffix(".scope"));
    stem.is_some_and(|stem| {
        is_name(name, stem)
            && stem
                .split_once('@')
                .is_none_or(|(name, instance)| !name.is_empty() && !instance.is_empty())
    })
}

/// What `systemd.unit(5)` allows in a name.
fn is_name(name: &str, stem: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    !stem.is_empty() && name.len() <= 255 && stem.bytes().all(good)
}

/// `session-ID.scope`, made by logind for a login.
fn is_session(unit: &str) -> bool {
    unit.starts_with("session-") && unit.ends_with(".scope")
}

/// `user@UID.service`, an account's own manager.
fn is_manager(unit: &str) -> bool {
    let uid = unit
        .strip_prefix("user@")
        .and_then(|rest| rest.strip_suffix(".service"));
    uid.is_some_and(|uid| uid.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(cgroup: &str) -> (Option<String>, Option<String>) {
        let units = units(cgroup.as_bytes(), 1000);
        (units.system, units.user)
    }

    /// Path in the unified hierarchy, system unit, user unit; the account is 1000.
    const TABLE: &[(&str, Option<&str>, Option<&str>)] = &[
        // System units.
        (
            "/system.slice/label-sync.service",
            Some("label-sync.service"),
            None,
        ),
        (
            "/system.slice/system-getty.slice/getty@tty1.service",
            Some("getty@tty1.service"),
            None,
        ),
        (
            "/machine.slice/machine-web.scope",
            Some("machine-web.scope"),
            None,
        ),
        ("/-.slice/a.service", Some("a.service"), None),
        ("/init.scope", Some("init.scope"), None),
        ("/label-sync.service", Some("label-sync.service"), None),
        // What a unit was given to divide further is still the unit.
        ("/system.slice/a.service/payload", Some("a.service"), None),
        (
            "/system.slice/a.service/system.slice/b.service",
            Some("a.service"),
            None,
        ),
        // Logins and an account's own manager.
        (
            "/user.slice/user-1000.slice/session-3.scope",
            Some("session-3.scope"),
            None,
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/init.scope",
            Some("user@1000.service"),
            Some("init.scope"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/label-sync.service",
            Some("user@1000.service"),
            Some("label-sync.service"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.x.slice/a@1.service",
            Some("user@1000.service"),
            Some("a@1.service"),
        ),
        // The same below a slice that pretends to be the system's.
        (
            "/user.slice/user-1000.slice/user@1000.service/system.slice/label-sync.service",
            Some("user@1000.service"),
            Some("label-sync.service"),
        ),
        // Another account's manager gives this one no user unit.
        (
            "/user.slice/user-1001.slice/user@1001.service/app.slice/a.service",
            Some("user@1001.service"),
            None,
        ),
        // Below user.slice nothing else is a unit.
        ("/user.slice/user-1000.slice/label-sync.service", None, None),
        ("/user.slice/label-sync.service", None, None),
        ("/user.slice/run-r1.scope", None, None),
        ("/user.slice/user@x.service/a.service", None, None),
        // No unit at all.
        ("/", None, None),
        ("/system.slice", None, None),
        ("/docker/0123456789ab", None, None),
        (
            "/docker/0123456789ab/system.slice/label-sync.service",
            None,
            None,
        ),
        (
            "/lxc.payload.web/system.slice/label-sync.service",
            None,
            None,
        ),
        ("/kubepods/besteffort/pod1/1", None, None),
        // In a container that systemd runs, the container.
        (
            "/system.slice/docker-0123.scope/system.slice/label-sync.service",
            Some("docker-0123.scope"),
            None,
        ),
        (
            "/machine.slice/systemd-nspawn@web.service/payload/system.slice/a.service",
            Some("systemd-nspawn@web.service"),
            None,
        ),
        // Names the kernel might take for its own files.
        ("/system.slice/_cpu.service", Some("cpu.service"), None),
        ("/_cpu.slice/__x.service", Some("_x.service"), None),
        ("/_user.slice/label-sync.service", None, None),
        // Not names of units, or not of ones that hold callers.
        ("/system.slice/getty@.service", None, None),
        ("/system.slice/@tty1.service", None, None),
        ("/system.slice/.service", None, None),
        ("/system.slice/a b.service", None, None),
        ("/system.slice/a.mount", None, None),
        ("/system.slice/a.service.d", None, None),
        ("/system.slice/a.service (deleted)", None, None),
        ("/system.slice/ä.service", None, None),
        ("/a@b.slice/c.service", None, None),
        // Outside what the broker can see, or crooked.
        ("/../system.slice/a.service", None, None),
        ("/../../a.service", None, None),
        ("/system.slice/../a.service", None, None),
        ("/system.slice//a.service", None, None),
        ("system.slice/a.service", None, None),
        ("", None, None),
    ];

    #[test]
    fn a_path_names_the_unit_that_systemd_would_name() {
        for (path, system, user) in TABLE {
            let (got_system, got_user) = read(&format!("0::{path}\n"));
            assert_eq!(got_system.as_deref(), *system, "unit of {path}");
            assert_eq!(got_user.as_deref(), *user, "user unit of {path}");
        }
    }

    #[test]
    fn the_named_hierarchy_of_older_set_ups_counts_too() {
        let service = Some("a.service".to_owned());
        let legacy = "9:name=systemd:/system.slice/a.service\n8:pids:/x\n1:cpu:/\n";
        assert_eq!(read(legacy).0, service);
        assert_eq!(read(&format!("{legacy}0::/\n")).0, service);
        assert_eq!(
            read(&format!("{legacy}0::/system.slice/a.service\n")).0,
            service
        );
        assert_eq!(
            read("1:name=systemd:/\n0::/system.slice/a.service\n").0,
            service
        );
    }

    #[test]
    fn hierarchies_that_disagree_name_nothing() {
        let text = "1:name=systemd:/system.slice/a.service\n0::/system.slice/b.service\n";
        assert_eq!(read(text), (None, None));
    }

    #[test]
    fn other_hierarchies_do_not_count() {
        assert_eq!(read("8:pids:/system.slice/a.service\n").0, None);
        assert_eq!(read("7:name=other:/system.slice/a.service\n").0, None);
        assert_eq!(read("5::/system.slice/a.service\n").0, None);
        assert_eq!(read("0:pids:/system.slice/a.service\n").0, None);
    }

    #[test]
    fn a_name_longer_than_systemd_allows_is_none() {
        let stem = "a".repeat(255 - ".service".len());
        assert!(
            read(&format!("0::/system.slice/{stem}.service"))
                .0
                .is_some()
        );
        assert!(
            read(&format!("0::/system.slice/{stem}a.service"))
                .0
                .is_none()
        );
    }

    #[test]
    fn bytes_that_are_no_text_name_nothing() {
        assert_eq!(
            units(b"0::/system.slice/\xff.service\n", 1000),
            Units::default()
        );
    }

    proptest! {
        /// All that an account makes below its own manager stays within `user_unit`.
        #[test]
        fn nothing_below_a_users_manager_is_another_system_unit(below in "(/[a-z@._-]{1,12}(\\.slice|\\.service|\\.scope)?){0,5}") {
            let path = format!("0::/user.slice/user-1000.slice/user@1000.service{below}\n");
            let (system, _) = read(&path);
            prop_assert!(matches!(system.as_deref(), None | Some("user@1000.service")), "{system:?}");
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _units = units(&bytes, 1000);
        }
    }
}
