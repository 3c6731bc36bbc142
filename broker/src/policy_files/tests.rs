//! Policy files as they are read from scratch directories.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// `policies/a.toml` in a scratch directory that only its owner may write.
fn scratch() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("policies");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("a.toml"), "# a\n").unwrap();
    chmod(&dir, 0o755);
    chmod(&dir.join("a.toml"), 0o644);
    (scratch, dir)
}

fn names(files: &[PolicyFile]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

#[test]
fn policies_and_tables_are_told_apart_and_all_else_is_left_alone() {
    let (_scratch, dir) = scratch();
    for name in [
        "b.toml",
        "a.cases.toml",
        ".hidden.toml",
        "a.toml~",
        "README.md",
    ] {
        fs::write(dir.join(name), "").unwrap();
        chmod(&dir.join(name), 0o644);
    }
    fs::create_dir(dir.join("old")).unwrap();
    fs::write(dir.join("old/c.toml"), "").unwrap();
    let files = read_live(&dir).unwrap();
    assert_eq!(names(&files.policies), ["a.toml", "b.toml"]);
    assert_eq!(names(&files.tables), ["a.cases.toml"]);
    // printf '# a\n' | sha256sum
    let want = "fd99dedae7c3f7532f8a65d60f811a05dc9dc3e1c5936b0c554c98aafdad8c10";
    assert_eq!(files.digests()["a.toml"], want);
}

#[test]
fn what_group_or_others_may_write_is_refused_with_the_chmod_that_fixes_it() {
    let (_scratch, dir) = scratch();
    let real = fs::canonicalize(&dir).unwrap();
    for (path, bad, good) in [
        (real.join("a.toml"), 0o664, 0o644),
        (real.join("a.toml"), 0o646, 0o644),
        (real.clone(), 0o775, 0o755),
        (real.clone(), 0o1777, 0o755),
        (real.parent().unwrap().to_owned(), 0o770, 0o700),
    ] {
        chmod(&path, bad);
        let error = read_live(&dir).unwrap_err().to_string();
        let fix = format!("run `chmod go-w '{}'`", path.display());
        assert!(error.starts_with(&*path.to_string_lossy()), "{error}");
        assert!(error.ends_with(&fix), "{error}");
        let exposed = Exposed {
            path: path.clone(),
            how: Exposure::Writable,
        };
        assert_eq!(read(&dir, None).unwrap().exposed, [exposed]);
        chmod(&path, good);
        read_live(&dir).unwrap();
    }
}

#[test]
fn what_belongs_to_another_account_is_refused_with_what_to_do_and_root_or_the_own_one_is_not() {
    if !nix::unistd::geteuid().is_root() {
        return own_and_roots_files_are_taken();
    }
    let (_scratch, dir) = scratch();
    let real = fs::canonicalize(&dir).unwrap();
    let above = real.parent().unwrap().to_owned();
    let chown = |path: &Path, uid| std::os::unix::fs::chown(path, Some(uid), None).unwrap();
    let file = real.join("a.toml");
    for (path, how) in [
        (&file, Exposure::Owned(4711)),
        (&real, Exposure::Owned(4711)),
        (&above, Exposure::OwnedAbove(4711)),
    ] {
        chown(path, 4711);
        let error = read_live(&dir).unwrap_err().to_string();
        let begins = format!("{} belongs to uid 4711, which could", path.display());
        assert!(error.starts_with(&begins), "{error}");
        let run = format!("run `chown root '{}'`", path.display());
        // What a home directory would not survive is not advised.
        let dedicated = matches!(how, Exposure::Owned(_));
        assert_eq!(error.contains(&run), dedicated, "{error}");
        let its = Owners::of_this_process().and(4711);
        assert_eq!(read(&dir, Some(&its)).unwrap().exposed, []);
        assert_eq!(read(&dir, None).unwrap().exposed, [], "in a checkout");
        // The configuration and the hook are checked in the same way.
        let alone = refuse_exposed(&file);
        assert!(
            matches!(alone, Err(PolicyFilesError::Exposed(_))),
            "{alone:?}"
        );
        chown(path, 0);
        read_live(&dir).unwrap();
        refuse_exposed(&file).unwrap();
    }
}

fn own_and_roots_files_are_taken() {
    let (_scratch, dir) = scratch();
    symlink("/etc/hostname", dir.join("roots.toml")).unwrap();
    assert_eq!(read_live(&dir).unwrap().exposed, []);
    refuse_exposed(Path::new("/proc/1/comm")).unwrap();
}

#[test]
fn a_link_is_evaluated_by_where_it_leads() {
    let (scratch, dir) = scratch();
    let elsewhere = scratch.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("b"), "").unwrap();
    chmod(&elsewhere.join("b"), 0o644);
    symlink(elsewhere.join("b"), dir.join("b.toml")).unwrap();
    chmod(&elsewhere, 0o755);
    assert_eq!(
        names(&read_live(&dir).unwrap().policies),
        ["a.toml", "b.toml"]
    );
    chmod(&elsewhere, 0o757);
    assert!(matches!(read_live(&dir), Err(PolicyFilesError::Exposed(_))));
}

#[test]
fn what_is_no_file_no_text_or_far_too_large_is_an_error_that_names_it() {
    let (_scratch, dir) = scratch();
    let bad = dir.join("bad.toml");
    let error = || {
        let error = read(&dir, None).unwrap_err().to_string();
        assert!(error.contains("bad.toml"), "{error}");
        error
    };
    nix::unistd::mkfifo(&bad, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(error().contains("is not a file"));
    fs::remove_file(&bad).unwrap();
    fs::write(&bad, [b'#', 0xff]).unwrap();
    assert!(error().contains("is not UTF-8 text"));
    fs::write(&bad, vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert!(error().contains("is larger than 1 MiB"));
    fs::remove_file(&bad).unwrap();
    symlink("nowhere", &bad).unwrap();
    assert!(error().contains("No such file"));
}

#[test]
fn a_file_cannot_forge_lines_of_output_with_its_name() {
    let (_scratch, dir) = scratch();
    fs::write(dir.join("a\n0 errors.toml"), "").unwrap();
    let error = read(&dir, None).unwrap_err().to_string();
    assert_eq!(
        error,
        r#""a\n0 errors.toml" has a control character in its name; rename it"#
    );
}

#[test]
fn a_missing_directory_is_an_error_and_not_an_empty_set() {
    let (scratch, _dir) = scratch();
    let error = read(&scratch.path().join("nowhere"), None).unwrap_err();
    assert!(matches!(error, PolicyFilesError::Io { .. }));
}
