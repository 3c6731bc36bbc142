//! git, unchanged, under `tokenctl exec`: every git on this machine, with a user's configuration in the way.

use std::path::PathBuf;

use support::git_server::git;
use support::home::write_private;

use super::*;

/// Large enough that nothing on the way can hold it back, in bytes.
const LARGE: u64 = 200_000_000;

/// A proxy where no one listens, a token of the user's own, and no time spent on compressing noise.
const CONFIGURATION: &str = "[user]\nname = Test\nemail = test@example.org\n\
    [http]\nproxy = http://127.0.0.1:1\n\
    [http \"https://github.com/\"]\nextraHeader = Authorization: Basic bWU6b3du\n\
    [core]\ncompression = 0\n[pack]\nwindow = 0\n";

/// Debian's and a newer one.
fn gits() -> Vec<PathBuf> {
    let all = ["/usr/bin/git", "/usr/local/bin/git"].map(PathBuf::from);
    let found: Vec<_> = all.into_iter().filter(|one| one.exists()).collect();
    match found.is_empty() {
        true => vec!["git".into()],
        false => found,
    }
}

fn scene() -> Scene {
    let scene = Scene::new();
    write_private(&scene.path(".gitconfig"), CONFIGURATION);
    scene
}

#[test]
fn git_clones_and_pushes_200_mb_past_a_proxy_and_a_token_of_the_users_own() {
    if !can_be_played() {
        return;
    }
    for program in gits() {
        let scene = scene();
        let script = format!(
            "set -e
             git() {{ {} \"$@\"; }}
             git clone -q https://github.com/acme/site.git one
             head -c {LARGE} /dev/urandom >one/noise
             git -C one add noise
             git -C one commit -qm Noise
             git -C one push -q origin main
             git clone -q https://GitHub.com/acme/site two
             cmp one/noise two/noise",
            program.display()
        );
        let ran = Ran::of(&mut scene.exec(&[SITE], &["sh", "-c", &script]));
        ran.success();
        let head = git(&scene.path("work/two"), &["rev-parse", "HEAD"]);
        assert_eq!(scene.com.git.revision("main"), head);
        scene.assert_within(&["/acme/site.git", "/acme/site"]);
        let outcomes = || scene.broker.home.records_of("proxy.response");
        let largest = |field: &str| {
            outcomes()
                .iter()
                .filter_map(|one| one[field].as_u64())
                .max()
        };
        wait::until(|| largest("received") > Some(LARGE));
        assert!(largest("sent") > Some(LARGE), "{:#?}", outcomes());
        assert!(
            outcomes().iter().all(|one| one.get("why").is_none()),
            "{:#?}",
            outcomes()
        );
        for clone in ["one", "two"] {
            let configuration = scene.path(&format!("work/{clone}/.git/config"));
            let text = std::fs::read_to_string(configuration).unwrap();
            assert!(
                !text.contains("tkp_") && text.contains("https://"),
                "{text}"
            );
        }
    }
}

#[test]
fn git_is_told_why_it_is_refused_and_asks_no_one_for_a_password() {
    if !can_be_played() {
        return;
    }
    for program in gits() {
        let scene = scene();
        let command = |rest: &str| format!("{} {rest}", program.display());
        let push = command("-C site push origin HEAD:main");
        let commands = [
            (
                "clone",
                command("clone -q https://github.com/acme/site.git site"),
            ),
            (
                "commit",
                command("-C site commit -q --allow-empty -m Empty"),
            ),
            ("push", push),
            (
                "other",
                command("clone https://github.com/other/site.git other"),
            ),
            (
                "open",
                command("clone -q https://github.com/open/site.git open"),
            ),
        ];
        let commands: Vec<_> = commands
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let ran = scene.run(&[PUBLIC], &commands);
        ran.output("clone");
        ran.output("commit");
        ran.output("open");
        for (name, words) in [
            (
                "push",
                "remote: tokend: refused: permission `contents: write`",
            ),
            ("other", "other/site"),
        ] {
            let ran = ran.of(name);
            assert_ne!(ran.code(), Some(0), "{name}");
            assert!(ran.stderr.contains(words), "{name}: {ran:?}");
        }
        let open = |line: &str| line.contains("/open/");
        let seen = scene.com.git.seen();
        let with = seen
            .iter()
            .filter(|one| one.header("authorization").is_some());
        assert!(
            with.clone().all(|one| one.allowed && !open(&one.line)),
            "{seen:#?}"
        );
        assert!(seen.iter().any(|one| open(&one.line)), "{seen:#?}");
    }
}
