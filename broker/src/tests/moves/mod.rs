//! A value on its way from one source to another. What `tokenctl secret move` does to policy files is done
//! here by the test.

mod connect;
mod ends;
mod interleaved;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::Home;
use support::broker::like_label_sync;
use support::http::Answer;

use super::InProcess;
use super::in_process::ready;

const NAME: &str = "moved-token";
const VALUE: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0011";
/// A secret that stays where it is.
const OTHER: &str = "other-token";
const OTHER_VALUE: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0012";

/// Two secrets in files, each behind a purpose of its name.
fn home(config: &str) -> Home {
    let home = ready();
    home.config(config);
    let mut secrets = String::new();
    for (name, value) in [(NAME, VALUE), (OTHER, OTHER_VALUE)] {
        let file = home.path().join(name);
        put(&file, value);
        secrets.push_str(&format!(
            "[secret.{name}]\nkind = \"classic\"\nsource = \"file:{}\"\n",
            file.display()
        ));
        let purpose = like_label_sync(name, name);
        home.policy(&format!("{name}.purpose.toml"), &purpose);
    }
    home.policy("secrets.toml", &secrets);
    fs::remove_file(home.places.policies.join("label-sync.toml")).unwrap();
    home
}

/// A value into a file, for the broker's account alone.
fn put(file: &PathBuf, value: &str) {
    fs::write(file, value).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// How far a move came.
#[derive(Debug)]
enum Reached {
    /// As far as it goes before an operator finishes it.
    TheEnd(Value),
    /// The operator has to do this.
    AnOperator(String),
    /// The broker refused.
    ARefusal(Answer),
}

impl Reached {
    /// What is next, in the broker's words.
    #[track_caller]
    fn the_end(self) -> String {
        match self {
            Self::TheEnd(view) => view["next"]["text"].as_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn an_operator(self) -> String {
        match self {
            Self::AnOperator(what) => what,
            other => panic!("{other:?}"),
        }
    }

    /// The detail of the refusal, and its hint.
    #[track_caller]
    fn a_refusal(self) -> String {
        match self {
            Self::ARefusal(answer) => answer.json().to_string(),
            other => panic!("{other:?}"),
        }
    }
}

/// A broker with both secrets.
struct Scene {
    broker: InProcess,
}

impl Scene {
    fn new() -> Self {
        Self {
            broker: InProcess::start(home("")),
        }
    }

    /// Where the value is stored at first, and the file.
    fn file(&self) -> (String, PathBuf) {
        let file = self.broker.home.path().join(NAME);
        (format!("file:{}", file.display()), file)
    }

    fn to(&self, to: &str) -> Reached {
        self.go_on("", &json!({ "to": to }))
    }

    fn back(&self) -> Reached {
        self.go_on("/back", &json!({}))
    }

    fn finish(&self) -> Reached {
        self.go_on("/finish", &json!({}))
    }

    /// Asks once.
    fn ask(&self, what: &str, body: &Value) -> Answer {
        let path = format!("/v1/secrets/{NAME}/move{what}");
        self.broker.http("POST", &path, &body.to_string())
    }

    /// Asks until nothing is left to do but what an operator decides.
    fn go_on(&self, what: &str, body: &Value) -> Reached {
        loop {
            let answer = self.ask(what, body);
            if answer.status != 200 {
                return Reached::ARefusal(answer);
            }
            let view = answer.json();
            let text = || view["next"]["text"].as_str().unwrap().to_owned();
            match view["next"]["step"].as_str().unwrap() {
                "switch" => self.switch(&view),
                "load" => self.broker.reload(),
                "put" | "by_hand" => return Reached::AnOperator(text()),
                _ => return Reached::TheEnd(view),
            }
        }
    }

    /// Changes the source in the policy, and loads it.
    fn switch(&self, view: &Value) {
        let ends = [&view["from"], &view["to"]].map(|end| end.as_str().unwrap());
        let now = self.source();
        let then = ends.into_iter().find(|end| *end != now).unwrap();
        let policy = self.policy();
        let (before, ours) = policy.split_once(&format!("[secret.{NAME}]")).unwrap();
        let named = |place: &str| format!("source = \"{place}\"");
        let ours = ours.replacen(&named(&now), &named(then), 1);
        let changed = format!("{before}[secret.{NAME}]{ours}");
        self.broker.home.policy("secrets.toml", &changed);
        self.broker.reload();
    }

    fn policy(&self) -> String {
        let policies = &self.broker.home.places.policies;
        fs::read_to_string(policies.join("secrets.toml")).unwrap()
    }

    fn shown(&self) -> Value {
        let path = format!("/v1/secrets/{NAME}");
        self.broker.http("GET", &path, "").json()
    }

    /// Where policies in force take it from.
    fn source(&self) -> String {
        self.shown()["source"].as_str().unwrap().to_owned()
    }

    /// Stores a value in the vault.
    fn set(&self, value: &str) -> Answer {
        let body = json!({ "value": value, "check": false }).to_string();
        let path = format!("/v1/secrets/{NAME}");
        self.broker.http("PUT", &path, &body)
    }

    fn lease_of(&self, name: &str) -> Value {
        let body = json!({ "purpose": name }).to_string();
        let answer = self.broker.lease(&body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    #[track_caller]
    fn assert_serves(&self, name: &str, value: &str) {
        assert_eq!(self.lease_of(name)["token"], value);
    }
}
