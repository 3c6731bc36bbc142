//! `setup-git` over git's own configuration, in a home of its own.

mod unreadable;

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::fake_broker::{FakeBroker, err, out, purpose};

struct Scene {
    broker: FakeBroker,
}

impl Scene {
    fn with(purposes: Vec<Value>) -> Self {
        let body = json!({ "purposes": purposes }).to_string();
        Self {
            broker: FakeBroker::answering(move |_| (200, body.clone())),
        }
    }

    /// Purposes for `acme/*` and for `other/site`.
    fn two() -> Self {
        Self::with(vec![purpose("read", "raw"), over("push", &["other/site"])])
    }

    fn setup(&self, options: &[&str]) -> Output {
        let args: Vec<_> = ["setup-git"].iter().chain(options).copied().collect();
        self.without_system(self.broker.tokenctl(&args))
    }

    fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        git.env("HOME", self.broker.home.path()).args(args);
        let ran = self.without_system(git);
        assert!(ran.status.success(), "{ran:?}");
        out(&ran).to_owned()
    }

    fn without_system(&self, mut command: Command) -> Output {
        let command = command.env("GIT_CONFIG_NOSYSTEM", "1");
        command
            .current_dir(self.broker.home.path())
            .output()
            .unwrap()
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.broker.home.path().join(name)).ok()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.broker.home.path().join(name), text).unwrap();
    }

    /// Both files.
    fn state(&self) -> [Option<String>; 2] {
        [GLOBAL, INCLUDED].map(|name| self.read(name))
    }
}

const GLOBAL: &str = ".gitconfig";
const INCLUDED: &str = ".config/git/tokend.gitconfig";

fn over(name: &str, repositories: &[&str]) -> Value {
    let mut view = purpose(name, "raw");
    view["repositories"] = json!(repositories);
    view
}

/// Whether it can be tried: these tests need git.
fn has_git() -> bool {
    Command::new("git").arg("--version").output().is_ok()
}

#[test]
fn each_owner_that_purposes_cover_gets_the_helper_by_its_path_and_each_change_is_printed() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    let ran = scene.setup(&[]);
    assert_eq!((err(&ran), ran.status.code()), ("", Some(0)));
    let helper = format!("!{} git-credential", env!("CARGO_BIN_EXE_tokenctl"));
    for owner in ["acme", "other"] {
        let url = format!("https://github.com/{owner}/site.git");
        let get = |key: &str| scene.git(&["config", "--get-urlmatch", key, &url]);
        assert_eq!(get("credential.helper"), format!("{helper}\n"));
        assert_eq!(get("credential.useHttpPath"), "true\n");
    }
    let place = scene.broker.home.path().join(INCLUDED);
    let place = place.display();
    let said = out(&ran);
    assert!(said.starts_with(&format!("wrote {place}:\n")), "{said}");
    assert!(
        said.contains("    [credential \"https://github.com/acme\"]\n"),
        "{said}"
    );
    let command = format!("ran git config --global --add include.path {place}\n");
    assert!(said.ends_with(&command), "{said}");
}

#[test]
fn run_again_it_changes_nothing_and_with_other_purposes_only_its_own_file() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    scene.setup(&[]);
    let before = scene.state();
    let again = scene.setup(&[]);
    assert_eq!(
        (out(&again), again.status.code()),
        ("nothing to change\n", Some(0))
    );
    assert_eq!(scene.state(), before);
    let fewer = scene.setup(&["--purpose", "push"]);
    assert!(!out(&fewer).contains("ran "), "{fewer:?}");
    let [global, included] = scene.state();
    assert_eq!(global, before[0]);
    let included = included.unwrap();
    assert!(
        included.contains(" git-credential --purpose push\""),
        "{included}"
    );
    assert!(!included.contains("github.com/acme"), "{included}");
}

#[test]
fn remove_takes_back_exactly_what_was_written() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    let mine = "[user]\n\tname = Alice\n[include]\n\tpath = /mine\n# mine\n\
                [credential \"https://github.com/acme\"]\n\tuseHttpPath = true\n\thelper = store\n";
    scene.write(GLOBAL, mine);
    scene.setup(&["--only"]);
    assert_ne!(scene.read(GLOBAL).unwrap(), mine);
    let removed = scene.setup(&["--remove"]);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    assert!(
        out(&removed)
            .starts_with("ran git config --global --fixed-value --unset-all include.path ")
    );
    assert_eq!(scene.state(), [Some(mine.to_owned()), None]);
    assert_eq!(out(&scene.setup(&["--remove"])), "nothing to remove\n");
}

#[test]
fn print_shows_what_would_be_written_and_writes_nothing() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    let printed = scene.setup(&["--print"]);
    assert!(out(&printed).starts_with("would write "), "{printed:?}");
    assert!(out(&printed).contains("would run git config --global --add include.path"));
    assert_eq!(scene.state(), [None, None]);
}

#[test]
fn a_helper_that_stands_before_or_after_is_kept_and_named() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    let mine = "[credential]\n\thelper = store\n";
    scene.write(GLOBAL, mine);
    let ran = scene.setup(&[]);
    let said = format!(
        "tokenctl: warning: helper `store` ({}) stands before tokenctl",
        scene.broker.home.path().join(GLOBAL).display()
    );
    assert!(err(&ran).starts_with(&said), "{}", err(&ran));
    assert_eq!(err(&ran).lines().count(), 1, "once for all owners");
    assert!(scene.read(GLOBAL).unwrap().starts_with(mine));
    assert_eq!(err(&scene.setup(&["--only"])), "");
    // One that comes later is handed the token, too.
    let more = scene.read(GLOBAL).unwrap() + "[credential]\n\thelper = cache\n";
    scene.write(GLOBAL, &more);
    let ran = scene.setup(&["--only"]);
    assert!(
        err(&ran).starts_with("tokenctl: note: helper `cache`"),
        "{ran:?}"
    );
}

#[test]
fn one_repository_gets_a_configuration_of_its_own() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    let outside = scene.setup(&["--local"]);
    assert_eq!(outside.status.code(), Some(1), "{outside:?}");
    assert!(
        err(&outside).contains("not a git repository"),
        "{outside:?}"
    );
    scene.git(&["init", "--quiet", "."]);
    let before = scene.read(".git/config");
    let ran = scene.setup(&["--local", "--only", "--purpose", "read"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert_eq!(scene.state(), [None, None]);
    let url = "https://github.com/acme/site";
    let helper = scene.git(&["config", "--get-urlmatch", "credential.helper", url]);
    assert!(
        helper.ends_with(" git-credential --purpose read\n"),
        "{helper}"
    );
    scene.setup(&["--local", "--remove"]);
    assert_eq!(scene.read(".git/config"), before);
    assert_eq!(scene.read(".git/tokend.gitconfig"), None);
}

#[test]
fn an_owner_is_written_as_urls_spell_it_and_one_that_no_purpose_covers_is_refused() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    scene.setup(&["--owner", "Acme"]);
    for owner in ["Acme", "acme"] {
        let url = format!("https://github.com/{owner}/site");
        let found = scene.git(&["config", "--get-urlmatch", "credential.useHttpPath", &url]);
        assert_eq!(found, "true\n");
    }
    let before = scene.state();
    let refused = scene.setup(&["--owner", "third"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        err(&refused).contains("of a repository of `third`"),
        "{refused:?}"
    );
    assert_eq!(scene.state(), before);
}

#[test]
fn a_broker_of_an_enterprise_server_is_set_up_for_its_host() {
    if !has_git() {
        return;
    }
    let mut view = purpose("read", "raw");
    view["git"] = "https://ghe.acme.test".into();
    let scene = Scene::with(vec![view]);
    let socket = scene.broker.home.path().join("run/tokend.sock");
    let ran = scene.setup(&["--socket", "run/tokend.sock"]);
    let want = format!(
        "--socket {} git-credential --host ghe.acme.test\"",
        socket.display()
    );
    assert!(
        out(&ran).contains("[credential \"https://ghe.acme.test/acme\"]"),
        "{ran:?}"
    );
    assert!(out(&ran).contains(&want), "{ran:?}");
}

#[test]
fn without_a_purpose_that_git_can_use_nothing_is_written_and_the_hint_says_what_to_run() {
    if !has_git() {
        return;
    }
    for (purposes, options, said) in [
        (
            vec![],
            &[][..],
            "no purpose gives you the contents of a repository",
        ),
        (
            vec![purpose("labels", "proxy")],
            &[],
            "`tokenctl exec labels -- git …`",
        ),
        (
            vec![purpose("read", "raw")],
            &["--purpose", "push"],
            "purpose `push` does not give you",
        ),
    ] {
        let scene = Scene::with(purposes);
        let ran = scene.setup(options);
        assert_eq!(ran.status.code(), Some(1), "{ran:?}");
        assert!(err(&ran).contains(said), "{ran:?}");
        assert_eq!(scene.state(), [None, None]);
    }
}

#[test]
fn where_git_cannot_change_its_configuration_it_does_as_before_and_the_next_run_goes_on() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    // As another git that is changing it would leave it.
    let lock = format!("{GLOBAL}.lock");
    scene.write(&lock, "");
    let failed = scene.setup(&[]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(
        err(&failed).contains("could not lock config file"),
        "{failed:?}"
    );
    assert_eq!(scene.read(GLOBAL), None);
    fs::remove_file(scene.broker.home.path().join(&lock)).unwrap();
    let went_on = scene.setup(&[]);
    assert!(out(&went_on).starts_with("ran git config"), "{went_on:?}");

    // The same of the removal.
    scene.write(&lock, "");
    let (failed, before) = (scene.setup(&["--remove"]), scene.state());
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(before.iter().all(Option::is_some));
    fs::remove_file(scene.broker.home.path().join(&lock)).unwrap();
    // It was interrupted between its two steps.
    scene.write(GLOBAL, "");
    assert!(out(&scene.setup(&["--remove"])).starts_with("removed "));
    assert_eq!(scene.read(INCLUDED), None);
}

#[test]
fn a_file_of_another_program_is_neither_replaced_nor_removed() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    fs::create_dir_all(scene.broker.home.path().join(".config/git")).unwrap();
    scene.write(INCLUDED, "[user]\n");
    for options in [&[][..], &["--remove"]] {
        let ran = scene.setup(options);
        assert_eq!(ran.status.code(), Some(1), "{ran:?}");
        assert!(
            err(&ran).contains("was not written by `tokenctl setup-git`"),
            "{ran:?}"
        );
        assert_eq!(scene.state(), [None, Some("[user]\n".to_owned())]);
    }
}

#[test]
fn a_path_that_git_could_not_read_back_is_refused_and_a_fifo_is_not_waited_for() {
    if !has_git() {
        return;
    }
    let scene = Scene::two();
    let odd = scene.broker.home.path().join("a\nb");
    std::os::unix::fs::symlink("run", &odd).unwrap();
    let ran = scene.setup(&["--socket", "a\nb/tokend.sock"]);
    assert!(err(&ran).contains("has a control character"), "{ran:?}");
    assert_eq!(scene.state(), [None, None]);

    fs::create_dir_all(scene.broker.home.path().join(".config/git")).unwrap();
    let fifo = scene.broker.home.path().join(INCLUDED);
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for options in [&[][..], &["--remove"]] {
        let ran = scene.setup(options);
        assert!(err(&ran).contains("it is a FIFO"), "{ran:?}");
    }
}
