//! A configuration that git itself cannot read.

use super::*;

#[test]
fn where_git_cannot_read_its_configuration_the_error_says_which_line_and_that_nothing_was_changed()
{
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    scene.setup(&[]);
    let good = scene.read(GLOBAL).unwrap();
    scene.write(GLOBAL, &format!("{good}[user\n"));
    let before = scene.state();
    let line = good.lines().count() + 1;
    let file = scene.broker.home.path().join(GLOBAL);
    let said = format!(
        "tokenctl: error: git: bad config line {line} in file {}\n",
        file.display()
    );
    for (options, hint) in [
        (&["--remove"][..], "nothing was changed: fix that, and run"),
        (&["--remove", "--local"], "nothing was changed: fix that"),
        (&[], "fix that, and run this again: it continues"),
    ] {
        let failed = scene.setup(options);
        assert_eq!((out(&failed), failed.status.code()), ("", Some(1)));
        let hint = format!("{said}tokenctl: hint: {hint}");
        assert!(err(&failed).starts_with(&hint), "{}", err(&failed));
        assert_eq!(scene.state(), before);
    }
    scene.write(GLOBAL, &good);
    let removed = scene.setup(&["--remove"]);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
}

#[test]
fn where_what_git_cannot_read_is_the_included_file_remove_takes_it_away() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    scene.write(GLOBAL, "[user]\n");
    scene.setup(&[]);
    let included = scene.read(INCLUDED).unwrap() + "[[[\n";
    scene.write(INCLUDED, &included);
    let removed = scene.setup(&["--remove"]);
    assert_eq!((err(&removed), removed.status.code()), ("", Some(0)));
    assert!(out(&removed).starts_with("removed "), "{removed:?}");
    assert!(out(&removed).contains("\nran git config --global --fixed-value"));
    assert_eq!(scene.state(), [Some("[user]\n".to_owned()), None]);
}
