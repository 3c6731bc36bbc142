//! git itself with several purposes, set up by `tokenctl setup-git`.

use std::path::{Path, PathBuf};
use std::process::Command;

use support::broker::{Ran, own};
use support::git_server::GitServer;
use support::{Home, TestBroker, binaries, canary, needs};

struct Scene {
    broker: TestBroker,
    server: GitServer,
}

impl Scene {
    /// A broker with purposes that give contents of these repositories, and a server below whose address git
    /// reaches them.
    fn with(purposes: &[(&str, &str)]) -> Self {
        let server = GitServer::start(canary::CLASSIC);
        let home = Home::ready();
        home.config(&format!(
            "[github]\napi = \"http://{}/api/v3\"\ncheck_every = \"off\"\npoll_every = \"off\"\n",
            server.host()
        ));
        for (name, repository) in purposes {
            let policy = own(&format!(
                "purpose = \"{name}\"\nsecret = \"org-label-sync-token\"\nrepositories = [\"{repository}\"]\n\
                 permissions = {{ contents = \"write\" }}\ndeliver = \"raw\"\n\n[[allow]]\ncaller = {{ uid = UID }}\n"
            ));
            home.policy(&format!("{name}.toml"), &policy);
        }
        let broker = home.start();
        broker
            .home
            .ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
            .success();
        Self { broker, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.broker.home.path().join(name)
    }

    /// A program as a user runs it: without ours on the `PATH`, and never prompted.
    fn command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = self.broker.home.command(program);
        command
            .current_dir(directory)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0");
        command
    }

    fn setup_git(&self, directory: &Path, options: &[&str]) -> Ran {
        let mut command = self.command(&binaries::tokenctl(), directory);
        Ran::of(command.arg("setup-git").args(options))
    }

    fn clone(&self, repository: &str, to: &str) -> Command {
        let mut command = self.command(Path::new("git"), self.broker.home.path());
        let url = format!("http://{}/{repository}", self.server.host());
        command.args(["clone", &url, to]);
        command
    }

    /// Purpose and repository of each lease so far.
    fn granted(&self) -> Vec<String> {
        let granted = self.broker.home.records_of("lease.granted");
        granted
            .iter()
            .map(|one| format!("{} {}", one["purpose"], one["repositories"]).replace('"', ""))
            .collect()
    }
}

#[test]
fn each_repository_is_cloned_under_the_purpose_that_covers_it() {
    if !needs::program("git") {
        return;
    }
    let scene = Scene::with(&[("ours", "acme/*"), ("theirs", "other/site")]);
    scene.setup_git(scene.broker.home.path(), &[]).success();
    Ran::of(&mut scene.clone("acme/site.git", "one")).success();
    Ran::of(&mut scene.clone("other/site/", "two")).success();
    let granted = ["ours [acme/site]", "theirs [other/site]"];
    assert_eq!(scene.granted(), granted);

    // Without it git knows no helper.
    scene
        .setup_git(scene.broker.home.path(), &["--remove"])
        .success();
    let ran = Ran::of(&mut scene.clone("acme/site.git", "three"));
    assert_eq!(ran.code(), Some(128), "{ran:?}");
    assert_eq!(scene.granted(), granted);
}

#[test]
fn what_no_purpose_covers_is_left_to_another_helper_and_what_two_cover_is_not() {
    if !needs::program("git") {
        return;
    }
    let scene = Scene::with(&[
        ("ours", "acme/else"),
        ("read", "other/site"),
        ("push", "other/*"),
    ]);
    let home = scene.broker.home.path();
    scene.setup_git(home, &[]).success();
    let other = scene.path("other");
    let script = format!(
        "touch {}.was-run; echo username=x; echo password={}",
        other.display(),
        canary::CLASSIC
    );
    binaries::install_script(&other, &script);
    let add = [
        "config",
        "--global",
        "--add",
        "credential.helper",
        other.to_str().unwrap(),
    ];
    Ran::of(scene.command(Path::new("git"), home).args(add)).success();

    let left = Ran::of(&mut scene.clone("acme/site", "one"));
    assert!(
        left.stderr.contains(
            "note: no purpose gives you the contents of `acme/site`; git asks its next helper"
        ),
        "{left:?}"
    );
    left.success();
    assert!(scene.path("other.was-run").exists());

    std::fs::remove_file(scene.path("other.was-run")).unwrap();
    let stopped = Ran::of(&mut scene.clone("other/site", "two"));
    assert_eq!(stopped.code(), Some(128), "{stopped:?}");
    assert!(stopped.stderr.contains("told us to quit"), "{stopped:?}");
    assert!(
        stopped.stderr.contains("`other/site`: `push`, `read`"),
        "{stopped:?}"
    );
    assert!(
        !scene.path("other.was-run").exists(),
        "no older token is used"
    );
    assert_eq!(scene.granted(), [""; 0]);

    // As the hint says.
    Ran::of(
        scene
            .clone("other/site", "two")
            .env("TOKEND_PURPOSE", "read"),
    )
    .success();
    let two = scene.path("two");
    scene
        .setup_git(&two, &["--local", "--only", "--purpose", "push"])
        .success();
    Ran::of(scene.command(Path::new("git"), &two).arg("fetch")).success();
    assert_eq!(scene.granted(), ["read [other/site]", "push [other/site]"]);
}
