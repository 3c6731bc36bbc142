//! An App on three of four repositories, and an import that is granted two of them.

use crate::Home;
use crate::broker::own;
use crate::github::{App, AppKey, Level, Repositories, StandIn, World};

/// The App's client id.
pub const CLIENT: &str = "Iv23liABCDEF";
/// Mints a token.
pub const MINT: &str = "POST /app/installations/*/access_tokens";
/// Finds where the App is installed.
pub const FIND: &str = "GET /repos/acme/one/installation";
/// Revokes a token.
pub const END: &str = "DELETE /installation/token";
/// The value of the secret that the import used before.
pub const OLD_TOKEN: &str = "ghp_oldTokenOfTheImportoldTokenOfTheImpo";

const SECRETS: &str = r#"
[secret.acme-import-app]
kind      = "app"
client_id = "Iv23liABCDEF"

[secret.acme-import-old-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo"]
"#;

const IMPORT: &str = r#"
purpose      = "acme-import"
secret       = "acme-import-app"
repositories = ["acme/one", "acme/two"]
permissions  = { contents = "read", issues = "write" }
ttl          = { default = "15m", max = "1h" }
FALLBACK

[[allow]]
caller = { uid = UID }
"#;

/// A stand-in with the App, and the home of a broker that may use it, with these lines of policy and of
/// configuration besides.
pub fn with(home: Home, key: &AppKey, fallback: &str, config: &str) -> (StandIn, Home) {
    let permissions = [
        ("contents", Level::Write),
        ("issues", Level::Write),
        ("metadata", Level::Read),
    ];
    let reached = ["acme/one", "acme/two", "acme/three"];
    let app = App::new(CLIENT, "acme", key, &permissions)
        .installed("acme", Repositories::selected(&reached));
    let world = World::new().organization("acme", &["acme-bot"]).app(app);
    let world = ["acme/one", "acme/two", "acme/three", "acme/four"]
        .into_iter()
        .fold(world, World::repository)
        .classic(OLD_TOKEN, "acme-bot", &["repo"]);
    let github = StandIn::start(world);
    let quiet = "check_every = \"off\"\npoll_every = \"off\"";
    home.github(&github, &format!("{quiet}\n{config}"));
    home.policy("apps.toml", SECRETS);
    let import = own(&IMPORT.replace("FALLBACK", fallback));
    home.policy("acme-import.toml", &import);
    (github, home)
}
