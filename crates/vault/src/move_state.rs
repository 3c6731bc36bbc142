//! Where a secret is on its way from one source to another: pure, with time as an argument.
//!
//! ```text
//!           copied ─policies name the new place, and it gives the value→ switched ─erased→ (forgotten)
//!              └──────────────────────────┬─────────────────────────────────┘
//!                       policies name the old place again → (forgotten)
//! ```
//!
//! Nothing is durable before the value is seen in the new place. From there on what is due follows from
//! the step and from the place that policies in force name, so that a broker or a command that is killed
//! goes on where it was, and whoever changes the line by hand is understood.
//!
//! Not here: values, places, the vault, records, policy files (`moves`).

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One move of one secret, from the copy on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Where the old copy is, as policies name it.
    pub from: Box<str>,
    /// Where the new one is.
    pub to: Box<str>,
    /// When the value was first seen in the new place.
    pub begun_at: Timestamp,
    /// How far it is.
    pub step: Step,
    /// Base64 SHA-256 of the value, when it was last seen in the new place.
    pub hashed: Box<str>,
    /// The policy file of the change that was last asked for.
    #[serde(default)]
    pub edited: Option<Edited>,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The value is in both places.
    Copied,
    /// It was taken from the new place, as policies in force name it.
    Switched,
}

impl Step {
    /// The word that is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Switched => "switched",
        }
    }
}

/// A policy file in which only the source of the secret changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edited {
    /// Its name, without the directory.
    pub file: Box<str>,
    /// SHA-256 of what it means apart from that source, hexadecimal.
    pub digest: Box<str>,
}

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Policies are to name the new place.
    Switch,
    /// They do, and it is to be seen that it gives the value.
    Verify,
    /// It does; an operator may have the old copy erased.
    Finish,
    /// Policies name a third place.
    Astray,
}

impl Move {
    /// What is next while policies in force name this place.
    #[must_use]
    pub fn due(&self, in_force: &str) -> Due {
        match self.step {
            _ if in_force == &*self.from => Due::Switch,
            Step::Copied if in_force == &*self.to => Due::Verify,
            Step::Switched if in_force == &*self.to => Due::Finish,
            Step::Copied | Step::Switched => Due::Astray,
        }
    }

    /// Whether a new value in `place` would be left behind: its value was copied away from there, and
    /// policies take it from there still, or come to name the copy next.
    #[must_use]
    pub fn leaves_behind(&self, place: &str, in_force: Option<&str>) -> bool {
        *self.from == *place && (self.step == Step::Copied || in_force == Some(place))
    }

    /// Whether it should have been finished by now.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(self.begun_at));
        age.is_ok_and(|age| age > IN_TIME)
    }
}

/// Two copies of a value are one too many to keep an eye on; a week is enough to see that the new one
/// serves.
const IN_TIME: Duration = Duration::from_secs(7 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn moving(step: Step) -> Move {
        Move {
            from: "env:CI_TOKEN".into(),
            to: "vault".into(),
            begun_at: "2026-11-22T07:00:00Z".parse().unwrap(),
            step,
            hashed: "made up".into(),
            edited: None,
        }
    }

    #[test]
    fn what_is_due_follows_from_the_step_and_the_place_in_force() {
        for (step, in_force, due) in [
            (Step::Copied, "env:CI_TOKEN", Due::Switch),
            (Step::Copied, "vault", Due::Verify),
            (Step::Copied, "env:OTHER", Due::Astray),
            (Step::Switched, "vault", Due::Finish),
            // The line was put back by hand, or `--back` was interrupted.
            (Step::Switched, "env:CI_TOKEN", Due::Switch),
            (Step::Switched, "file:/x", Due::Astray),
        ] {
            assert_eq!(moving(step).due(in_force), due, "{step:?} {in_force}");
        }
    }

    #[test]
    fn a_new_value_is_left_behind_where_the_copy_is_what_policies_name_next() {
        let out_of_the_vault = |step| Move {
            from: "vault".into(),
            to: "op://Tokens/ci/credential".into(),
            ..moving(step)
        };
        for (step, in_force, left) in [
            (Step::Copied, Some("vault"), true),
            (Step::Copied, Some("op://Tokens/ci/credential"), true),
            (Step::Copied, None, true),
            // The line was put back by hand, or `--back` was interrupted.
            (Step::Switched, Some("vault"), true),
            // What is stored then is not in use, and neither is the copy changed.
            (Step::Switched, Some("op://Tokens/ci/credential"), false),
            (Step::Switched, None, false),
        ] {
            let known = out_of_the_vault(step);
            assert_eq!(known.leaves_behind("vault", in_force), left, "{step:?}");
            assert!(!moving(step).leaves_behind("vault", in_force), "{step:?}");
        }
    }

    #[test]
    fn a_move_is_late_after_more_than_seven_days() {
        let moving = moving(Step::Switched);
        for (now, late) in [
            ("2026-11-29T07:00:00Z", false),
            ("2026-11-29T07:00:01Z", true),
            ("2026-11-01T07:00:00Z", false),
        ] {
            assert_eq!(moving.is_late(now.parse().unwrap()), late, "{now}");
        }
    }

    #[test]
    fn what_is_written_down_is_read_as_it_was() {
        let mut state = moving(Step::Copied);
        state.edited = Some(Edited {
            file: "secrets.toml".into(),
            digest: "00".into(),
        });
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<Move>(&text).unwrap(), state);
        assert!(text.contains(r#""step":"copied""#), "{text}");
    }
}
