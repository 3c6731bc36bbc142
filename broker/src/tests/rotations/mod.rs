//! A rotation from the new value to the end of the old one, asked for as `tokenctl rotate` does.

mod by_hand;
mod interrupted;
mod leaked;
mod scopes;
mod sinks;
mod way;

use serde_json::{Value, json};
use support::Home;
use support::github::{Place, StandIn, World};
use support::http::Answer;
use support::scenes::rotation::{self, NAME, NEW, OLD, SINK, in_place, world};

use super::InProcess;
use super::in_process::ready;

fn home(github: &StandIn, sinks: &str) -> Home {
    rotation::in_home(ready(), github, sinks)
}

/// A GitHub with both tokens, and a broker that holds the old one.
struct Scene {
    github: StandIn,
    broker: InProcess,
}

/// How far a rotation came, and why no further.
#[derive(Debug, PartialEq)]
enum Reached {
    /// Nothing is left to do, or nothing before a time that was confirmed.
    TheEnd,
    /// The operator has to do this.
    AnOperator(String),
    /// A step failed.
    AFailure(String),
    /// The broker refused, and nothing began.
    ARefusal(Value),
}

impl Reached {
    #[track_caller]
    fn the_end(self) {
        assert_eq!(self, Self::TheEnd);
    }

    /// What the operator has to do.
    #[track_caller]
    fn an_operator(self) -> String {
        match self {
            Self::AnOperator(what) => what,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn a_failure(self) -> String {
        match self {
            Self::AFailure(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Its code and its detail.
    #[track_caller]
    fn a_refusal(self) -> (String, String) {
        match self {
            Self::ARefusal(problem) => {
                let text = |field: &str| problem[field].as_str().unwrap_or_default().to_owned();
                (text("code"), text("detail"))
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What may become of the old value.
#[derive(Clone, Copy)]
enum Then {
    /// It lives until an operator confirms.
    Ask,
    /// It is revoked, at once.
    Revoke,
    /// It is revoked in this many seconds.
    RevokeAfter(u64),
}

impl Scene {
    fn new() -> Self {
        Self::with(world(), SINK)
    }

    fn with(world: World, sinks: &str) -> Self {
        let github = StandIn::start(world);
        let broker = InProcess::start(home(&github, sinks));
        broker.set(NAME, OLD);
        Self { github, broker }
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.broker.http("POST", path, &body.to_string())
    }

    /// Rotates [`NAME`] to [`NEW`].
    fn rotate(&self, then: Then) -> Reached {
        self.rotate_to(NAME, &json!({ "value": NEW }), then)
    }

    /// Rotates a secret, as far as that goes.
    fn rotate_to(&self, name: &str, begin: &Value, then: Then) -> Reached {
        let begun = self.post(&format!("/v1/rotations/{name}"), begin);
        if begun.status >= 300 {
            return Reached::ARefusal(begun.json());
        }
        let confirm = match then {
            Then::Ask => return self.go_on(name),
            Then::Revoke => json!({}),
            Then::RevokeAfter(seconds) => json!({ "revoke_after": seconds }),
        };
        if begun.json()["next"]["waits_for"] != "none" {
            self.confirm(name, &confirm);
        }
        self.go_on(name)
    }

    #[track_caller]
    fn confirm(&self, name: &str, body: &Value) {
        let confirmed = self.post(&format!("/v1/rotations/{name}/confirm"), body);
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
    }

    /// Takes one step after the other.
    fn go_on(&self, name: &str) -> Reached {
        let step = |view: &Value| (view["phase"].clone(), view["next"]["step"].clone());
        let written = |view: &Value| view["sinks"].to_string().matches("current").count();
        let mut view = self.state_of(name);
        let mut looked = false;
        loop {
            let next = &view["next"];
            let text = next["text"].as_str().unwrap().to_owned();
            match (next["waits_for"].as_str().unwrap(), next["step"].as_str()) {
                ("none", _) | (_, Some("wait")) => return Reached::TheEnd,
                ("operator", Some("delete")) if !looked => looked = true,
                ("operator", _) => return Reached::AnOperator(text),
                _ => {}
            }
            let (before, were) = (step(&view), written(&view));
            let proves = before.1 == "prove";
            view = self
                .post(&format!("/v1/rotations/{name}/next"), &json!({}))
                .json();
            let stuck = step(&view) == before && written(&view) == were && !proves;
            if let Some(why) = view["failure"].as_str()
                && stuck
                && view["next"]["waits_for"] == "broker"
            {
                return Reached::AFailure(why.to_owned());
            }
        }
    }

    fn roll_back(&self) -> Answer {
        self.post(&format!("/v1/rotations/{NAME}/rollback"), &json!({}))
    }

    fn push(&self) -> Answer {
        self.post(&format!("/v1/secrets/{NAME}/sinks/push"), &json!({}))
    }

    /// Says that the value in use has leaked.
    fn leaked(&self) -> Answer {
        self.post(&format!("/v1/secrets/{NAME}/revoke"), &json!({}))
    }

    fn state_of(&self, name: &str) -> Value {
        let path = format!("/v1/rotations/{name}");
        self.broker.http("GET", &path, "").json()
    }

    fn state(&self) -> Value {
        self.state_of(NAME)
    }

    /// What the Actions secret of the site holds.
    fn in_the_sink(&self) -> Option<String> {
        in_place(&self.github, &Place::repository("actions", "acme/site"))
    }

    fn is_dead(&self, token: &str) -> bool {
        self.github.change(|state| state.pat_mut(token).revoked)
    }

    /// The token that a caller is handed now.
    fn handed_out(&self) -> String {
        rotation::handed_out(&self.broker)
    }

    /// The one good end: one new secret in the sink, the old token dead, the new one in use.
    #[track_caller]
    fn assert_rotated(&self, how: &str) {
        rotation::assert_rotated(&self.github, &self.broker, how);
        self.broker.assert_log_verifies();
    }
}
