//! GitHub's part in the demo: a stand-in on loopback, with real TLS.

use support::github::{App, AppKey, Level, Repositories, StandIn, World};

use crate::stage::Stage;
use crate::{Outcome, tokens};

/// What the four are meant to be, and where one of them must also go.
pub(crate) const SECRETS: &str = r#"[secret.org-label-sync-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo", "workflow"]

[[secret.org-label-sync-token.sinks]]          # a workflow uses it as well
kind       = "actions"
repository = "acme/site"
name       = "LABEL_SYNC_TOKEN"

[secret.org-project-admin-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["project", "read:org"]

[secret.org-onboarding-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo", "workflow", "admin:org"]

[secret.org-repo-analysis-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo:status", "read:org"]

[secret.acme-app]
kind      = "app"
client_id = "Iv23liDemo"
"#;

const IMPORT: &str = r#"purpose      = "import"
about        = "Reads what is to be imported"
secret       = "acme-app"                   # an App: GitHub mints a token for each lease
repositories = ["acme/site"]
permissions  = { contents = "read" }

[[allow]]
caller = { WHO }
"#;

const SUCCESSOR: &str = "its successor, made in the browser";

/// A GitHub with the four tokens of the demo, not all of them what they should be.
pub(crate) fn start(key: &AppKey) -> StandIn {
    let of = tokens::made_up;
    let app = App::new("Iv23liDemo", "acme", key, &[("contents", Level::Read)])
        .installed("acme", Repositories::All);
    StandIn::start(
        World::new()
            .organization("acme", &["acme-bot", "other-bot"])
            .repository("acme/site")
            .repository("acme/other")
            .classic(
                &of("ORG_LABEL_SYNC_TOKEN"),
                "acme-bot",
                &["repo", "workflow"],
            )
            .classic(&of("ORG_PROJECT_ADMIN_TOKEN"), "acme-bot", &["project"])
            .classic(
                &of("ORG_ONBOARDING_TOKEN"),
                "other-bot",
                &["repo", "workflow", "admin:org"],
            )
            .classic(
                &of("ORG_REPO_ANALYSIS_TOKEN"),
                "acme-bot",
                &["repo:status", "read:org", "gist"],
            )
            .classic(&of(SUCCESSOR), "acme-bot", &["repo", "workflow"])
            .app(app),
    )
}

/// Where the broker finds it.
pub(crate) fn configuration(github: &StandIn) -> String {
    format!(
        "[github]\napi = \"{}\"\nca  = \"{}\"\n",
        github.api(),
        github.ca().display()
    )
}

/// What GitHub says of the stored tokens.
pub(crate) fn check(stage: &mut Stage) -> Outcome {
    stage.heading("What GitHub says of them")?;
    let found = ["missing_scope", "wrong_owner", "excess_scope", "4 checked"];
    stage.shell("tokenctl secret check", 1, &found)?;
    Ok(())
}

/// A token that GitHub mints for one lease, and that dies with it.
pub(crate) fn mint(stage: &mut Stage, github: &StandIn, key: &AppKey, who: &str) -> Outcome {
    stage
        .heading("An App: a token for one repository, minted by GitHub and dead after the lease")?;
    stage.write("home/policies/import.toml", &IMPORT.replace("WHO", who))?;
    let cat = "cat $TOKEND_HOME/policies/import.toml && tokenctl policy reload";
    stage.shell(cat, 0, &["in force"])?;
    stage.write("app.pem", key.pem())?;
    stage.shell(
        "tokenctl secret set acme-app < app.pem && rm app.pem",
        0,
        &["checked: ok"],
    )?;
    stage.shell("tokenctl get import > token", 0, &[])?;
    stage.shell(
        "tokenctl lease revoke --all",
        0,
        &["its token is revoked at GitHub"],
    )?;
    let alive = github.live_tokens();
    if alive != 0 {
        return Err("an installation token outlived its lease".into());
    }
    stage.shell("rm token", 0, &[])?;
    Ok(())
}

/// A new value in the place of the old: checked, swapped, pushed, verified, and the old one dead.
pub(crate) fn rotate(stage: &mut Stage, github: &StandIn) -> Outcome {
    stage.heading("A token is rotated: all of it, in one command")?;
    stage.about("The operator made the new one in the browser; no API can.")?;
    stage.write("new-token", &tokens::made_up(SUCCESSOR))?;
    let plan = "tokenctl rotate org-label-sync-token --dry-run";
    stage.shell(plan, 0, &["LABEL_SYNC_TOKEN"])?;
    let rotate =
        "tokenctl rotate org-label-sync-token --value-file new-token --yes && rm new-token";
    stage.shell(rotate, 0, &[])?;
    let dead = github.change(|state| {
        let old = tokens::made_up("ORG_LABEL_SYNC_TOKEN");
        state.pat_mut(&old).revoked
    });
    if !dead {
        return Err("the old token still lives at GitHub".into());
    }
    stage.shell("tokenctl secret sinks", 0, &["LABEL_SYNC_TOKEN"])?;
    stage.shell("tokenctl secret check org-label-sync-token", 0, &["1 ok"])?;
    Ok(())
}
