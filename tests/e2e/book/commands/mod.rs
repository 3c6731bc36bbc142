//! Every command block of README and the guides, run: in order, in an empty home, against the stand-in for GitHub.
//!
//! A page is a test. What a comment in front of a block can say is in `block.rs`, how blocks are run in `session.rs`.

pub(super) mod block;
mod demo;
mod session;
mod shown;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use self::block::Test;
use super::{links, root};

/// A test for each page that has blocks of commands.
macro_rules! pages {
    ($($name:ident $page:literal)*) => {
        const PAGES: &[&str] = &[$($page),*];

        $(
            #[test]
            fn $name() {
                session::run($page, &block::of($page));
            }
        )*
    };
}

pages! {
    readme "README.md"
    first_lease "docs/tutorial/first-lease.md"
    performance "docs/explanation/performance.md"
    allow_recreated_repository "docs/how-to/allow-recreated-repository.md"
    audit "docs/how-to/audit.md"
    back_up "docs/how-to/back-up.md"
    change_root_key "docs/how-to/change-root-key.md"
    check_secrets "docs/how-to/check-secrets.md"
    choose_root_key "docs/how-to/choose-root-key.md"
    copy_to_actions "docs/how-to/copy-to-actions.md"
    get_warnings "docs/how-to/get-warnings.md"
    install_service "docs/how-to/install-service.md"
    install_user "docs/how-to/install-user.md"
    leave_github_tokens_file "docs/how-to/leave-github-tokens-file.md"
    lock_unlock "docs/how-to/lock-unlock.md"
    monitor "docs/how-to/monitor.md"
    move_secret "docs/how-to/move-secret.md"
    respond_to_leak "docs/how-to/respond-to-leak.md"
    rotate_secret "docs/how-to/rotate-secret.md"
    run_scripts "docs/how-to/run-scripts.md"
    set_up_github_app "docs/how-to/set-up-github-app.md"
    store_secrets "docs/how-to/store-secrets.md"
    uninstall "docs/how-to/uninstall.md"
    use_enterprise_server "docs/how-to/use-enterprise-server.md"
    use_files "docs/how-to/use-files.md"
    use_keyring "docs/how-to/use-keyring.md"
    use_proxy "docs/how-to/use-proxy.md"
    use_several_purposes_with_git "docs/how-to/use-several-purposes-with-git.md"
    use_tokens "docs/how-to/use-tokens.md"
    write_policies "docs/how-to/write-policies.md"
    http_api "docs/reference/http-api.md"
    policies "docs/reference/policies.md"
    packaging "packaging/README.md"
}

#[test]
fn each_page_with_commands_has_a_test() {
    let tested: BTreeSet<_> = PAGES.iter().map(|page| (*page).to_owned()).collect();
    let below = |directory| links::pages(&root().join(directory));
    let pages = ["docs", "policies", "packaging"]
        .into_iter()
        .flat_map(below);
    let named = |page: PathBuf| page.strip_prefix(root()).unwrap().display().to_string();
    let mut pages: Vec<String> = pages.map(named).collect();
    pages.push("README.md".to_owned());
    let with_commands = pages.into_iter().filter(|page| !block::of(page).is_empty());
    assert_eq!(tested, with_commands.collect());
}

#[test]
fn each_scene_and_each_reason_is_on_a_page_and_what_is_not_run_is_listed() {
    let blocks = PAGES
        .iter()
        .flat_map(|page| block::of(page).into_iter().map(move |block| (page, block)));
    let mut not_run: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut scenes = BTreeSet::new();
    let (mut all, mut run) = (0, 0);
    for (page, block) in blocks {
        all += 1;
        match block.test {
            Test::NotRun(reason) => {
                let place = format!("{page}:{}", block.line);
                not_run.entry(reason).or_default().push(place);
            }
            Test::Demo => run += 1,
            Test::Run(own) => {
                run += 1;
                scenes.extend(own.scenes);
            }
        }
    }
    let listed = not_run.iter().map(|(reason, places)| {
        let places: String = places.iter().map(|place| format!("  {place}\n")).collect();
        format!("not run, {reason}:\n{places}")
    });
    let listed: String = listed.collect();
    // Past the test runner, which shows nothing of a test that succeeds.
    write!(
        std::io::stderr(),
        "\n{run} of {all} blocks of commands are run\n{listed}"
    )
    .unwrap();
    let reasons: Vec<_> = not_run.keys().map(String::as_str).collect();
    assert_eq!(reasons, block::REASONS, "each reason is needed");
    assert_eq!(scenes, session::scenes(), "each scene is needed");
}
