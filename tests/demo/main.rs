//! `cargo demo`: the main job, shown with the real programs.
//!
//! Each step prints the command an operator would type, runs exactly that in a shell, prints what came
//! of it, and is checked: the demo fails at the first step that does not do what it should. All of
//! it happens in a scratch directory with made-up tokens, without a network (GitHub is a stand-in on
//! loopback), and is gone afterwards,
//! also after Ctrl-C. `--keep DIR` leaves the broker's home in DIR, to look at.
//!
//! Not here: what GitHub has to do with it (`github.rs`), how commands are run and shown (`stage.rs`), how tokens are made up (`tokens.rs`).

mod github;
mod stage;
mod tokens;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::unistd::{User, geteuid};
use stage::{Interrupted, Stage};
use support::github::{AppKey, StandIn};

type Outcome = Result<(), Box<dyn Error>>;

/// One of these is in a file that every shell sources, until the third step.
const VARIABLES: [&str; 4] = [
    "ORG_LABEL_SYNC_TOKEN",
    "ORG_PROJECT_ADMIN_TOKEN",
    "ORG_ONBOARDING_TOKEN",
    "ORG_REPO_ANALYSIS_TOKEN",
];

const POLICY: &str = r#"purpose      = "label-sync"
about        = "Keeps labels the same in all repositories"
secret       = "org-label-sync-token"
repositories = ["acme/*"]
permissions  = { issues = "write", metadata = "read" }
deliver      = "proxy"                     # the stored token stays in the broker
ttl          = { default = "15m", max = "1h" }

[[allow]]
caller = { WHO }
"#;

const SCRIPT: &str = r#"# Knows of no broker: it finds a token where gh and git look for one, and asks GitHub.
asks() { curl -sS -H "Authorization: Bearer $GH_TOKEN" "$@"; echo; }
for repository in acme/site acme/other; do
  asks -o /dev/null -w "$repository: %{http_code}" -d '{"name":"bug","color":"d73a4a"}' \
    API/repos/$repository/labels
done
asks API/repos/acme/site/contents/README.md
"#;

/// For a machine without curl.
const SCRIPT_WITHOUT: &str = r#"echo "labels of acme/* would be synced with a token of ${#GH_TOKEN} characters"
"#;

fn main() -> ExitCode {
    let (why, code) = match arguments().and_then(|keep| demo(keep.as_deref())) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => (error.to_string(), 130),
        Err(error) => (error.to_string(), 1),
    };
    writeln!(io::stderr(), "\ndemo: {why}").ok();
    ExitCode::from(code)
}

/// The directory after `--keep`, if there is one.
fn arguments() -> Result<Option<PathBuf>, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next(), arguments.next()) {
        (None, ..) => Ok(None),
        (Some(keep), Some(directory), None) if keep == "--keep" => {
            Ok(Some(std::path::absolute(directory)?))
        }
        _ => Err("usage: cargo demo [--keep DIR]".into()),
    }
}

fn demo(keep: Option<&Path>) -> Outcome {
    let mut stage = Stage::new(keep)?;
    let key = AppKey::generate();
    let github = github::start(&key);
    let who = set_up(&mut stage, &github)?;
    github::check(&mut stage)?;
    hand_out(&mut stage, &github)?;
    github::mint(&mut stage, &github, &key, &who)?;
    github::rotate(&mut stage, &github)?;
    look_back(&mut stage)?;
    stage.close(match keep {
        Some(_) => "Each step did what it should. The broker's home stays where --keep said.",
        None => "Each step did what it should, and nothing is left behind.",
    })
}

/// From a file of tokens to a broker that may hand one of them out.
fn set_up(stage: &mut Stage, github: &StandIn) -> Result<String, Box<dyn Error>> {
    stage.heading("Configuration, keys and an empty vault")?;
    stage.shell("tokenctl init --root-key file", 0, &["made   vault"])?;

    stage.heading("The broker, and where it finds GitHub")?;
    stage
        .about("Here GitHub is a stand-in on this machine; without this file it is github.com.")?;
    stage.write("home/tokend.toml", &github::configuration(github))?;
    stage.shell("cat $TOKEND_HOME/tokend.toml", 0, &["[github]"])?;
    stage.write("home/policies/secrets.toml", github::SECRETS)?;
    stage.shell("cat $TOKEND_HOME/policies/secrets.toml", 0, &["owner"])?;
    stage.start_broker()?;

    stage.heading("A file of tokens that every shell sources goes into the vault")?;
    stage.about("These four are made up, and right only in their form.")?;
    let lines = VARIABLES.map(|name| format!("export {name}=\"{}\"\n", tokens::made_up(name)));
    stage.write("github-tokens", &lines.concat())?;
    stage.shell("cat github-tokens", 0, &VARIABLES)?;
    let stored = VARIABLES.map(|name| {
        let secret = name.to_lowercase().replace('_', "-");
        format!("{name} -> {secret}: stored")
    });
    stage.shell(
        "tokenctl import github-tokens --org acme",
        0,
        &stored.each_ref().map(String::as_str),
    )?;
    stage.shell("rm github-tokens", 0, &[])?;

    stage.heading("A policy says who may have one of them, and what for")?;
    let uid = geteuid();
    let who = match User::from_uid(uid)? {
        Some(user) => format!("user = \"{}\"", user.name),
        None => format!("uid = {uid}"),
    };
    stage.write(
        "home/policies/label-sync.toml",
        &POLICY.replace("WHO", &who),
    )?;
    let cat = "cat $TOKEND_HOME/policies/label-sync.toml";
    stage.shell(cat, 0, &["[[allow]]", &who])?;
    stage.shell("tokenctl policy reload", 0, &["4 purposes", "in force"])?;
    Ok(who)
}

/// Every way to a token, and what happens without a rule.
fn hand_out(stage: &mut Stage, github: &StandIn) -> Outcome {
    stage.heading("A program takes it: any that can speak to a Unix socket")?;
    if stage.has("curl") {
        let curl = "curl -sS --unix-socket $TOKEND_HOME/run/tokend.sock \
                    -d '{\"purpose\":\"label-sync\",\"ttl\":60}' http://localhost/v1/leases";
        stage.shell(curl, 0, &["tkp_", "\"rule\":\"label-sync.toml#1\""])?;
    } else {
        stage.about("There is no curl on this machine; it would take a lease like this one:")?;
    }
    let get = "tokenctl get label-sync --repo acme/site --permission issues=read --reason demo";
    let got = stage.shell(get, 0, &[])?;
    if !got.starts_with("tkp_") || got.trim_end().contains(char::is_whitespace) {
        return Err(format!("`{get}` printed something else than a proxy token alone").into());
    }
    stage.about("Only the broker honours it. What GitHub gave stays in the vault.")?;

    stage.heading("What no rule allows is denied, and recorded")?;
    stage.shell(
        "tokenctl get onboarding",
        3,
        &["is not allowed for this caller"],
    )?;
    stage.shell(
        "tokenctl get label-sync --permission contents=write",
        3,
        &["contents: write"],
    )?;

    stage.heading("A script that knows nothing of all this; its lease ends with it")?;
    let curl = stage.has("curl");
    let (script, says) = if curl {
        let script = SCRIPT.replace("API", &github.api());
        (
            script,
            &["acme/site: 201", "acme/other: 201", "contents: read"][..],
        )
    } else {
        (SCRIPT_WITHOUT.to_owned(), &["a token of "][..])
    };
    stage.write("sync_labels.sh", &script)?;
    stage.shell("cat sync_labels.sh", 0, &["GH_TOKEN"])?;
    stage.shell("tokenctl exec label-sync -- sh sync_labels.sh", 0, says)?;
    if curl && github.change(|state| state.labels("acme/other")) != ["bug"] {
        return Err("the script's label is not at GitHub".into());
    }
    stage.about("Labels were made; what the lease does not hold was refused, and recorded.")?;
    stage.wait_for(
        "tokenctl audit search --kind lease.expired --dir $TOKEND_HOME/audit",
        "caller_exit",
    )
}

/// The records, what they prove, and what a changed byte does.
fn look_back(stage: &mut Stage) -> Outcome {
    stage.heading("Who had what, when and why")?;
    let mut records = vec![
        "lease.granted",
        "lease.denied",
        "code=too_wide",
        "why=caller_exit",
    ];
    if stage.has("curl") {
        records.extend(["proxy.request", "proxy.refused"]);
    }
    stage.shell(
        "tokenctl audit tail -n 80 --dir $TOKEND_HOME/audit | grep -E ' (lease|proxy)\\.'",
        0,
        &records,
    )?;

    stage.heading("No token is stored in the clear any more")?;
    let found = stage.shell("grep -r ghp_ $TOKEND_HOME || echo none", 0, &[])?;
    if found.trim_end() != "none" {
        return Err("a token is stored in the clear, or grep could not look".into());
    }

    stage.heading("Anyone can verify the log: offline, without a key, without the broker")?;
    stage.stop_broker()?;
    let verified = stage.shell("tokenctl audit verify", 0, &["records, head "])?;
    let python = stage.has("python3");
    if python {
        let verify = "python3 verifier/verify.py $TOKEND_HOME/audit";
        // Without the note for whoever noted no head.
        let same = verified.lines().next().unwrap_or_default();
        stage.shell(verify, 0, &[same])?;
    } else {
        stage.about("There is no python3 here to run the second verifier, verifier/verify.py.")?;
    }

    stage.heading("One byte changed in a copy of it")?;
    let record = stage.first_record("lease.granted")?;
    stage.shell("cp -r $TOKEND_HOME/audit copy", 0, &[])?;
    let change = format!("sed -i '{}s/acme/acne/' copy/*.jsonl", record + 1);
    stage.shell(&change, 0, &[])?;
    stage.differ_by_one_byte("copy")?;
    let found = format!("record {record}");
    stage.shell("tokenctl audit verify copy", 8, &[&found, "was changed"])?;
    if python {
        stage.shell(
            "python3 verifier/verify.py copy",
            8,
            &[&found, "was changed"],
        )?;
    }
    Ok(())
}
