//! What goes wrong, for which calls and how often.
//!
//! A fault strikes before the request is processed (nothing happened), or after it (it happened,
//! and the caller does not learn of it, or learns something else). `docs` of each variant say which.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::journal::matches;

/// One thing that goes wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `METHOD /path/*/more`; `*` stands for any method or one piece, a final `**` for any rest.
    pub on: String,
    /// How many matching calls it strikes; absent: all.
    #[serde(default)]
    pub times: Option<u32>,
    /// How many matching calls it lets pass first.
    #[serde(default)]
    pub after: u32,
    /// What happens.
    pub effect: Effect,
}

/// What happens to a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Effect {
    /// Not processed, never answered, the connection stays open.
    Hang,
    /// Kept waiting until released, then processed and answered as ever.
    Hold,
    /// Kept waiting this many milliseconds, then processed and answered as ever.
    Delay(u64),
    /// Not processed, the connection is closed.
    CloseBefore,
    /// Processed, then the connection is closed: success with a lost reply.
    LoseReply,
    /// Processed, never answered.
    HangAfter,
    /// Processed, the body breaks off in the middle.
    Truncate,
    /// Processed, a body of so many bytes is sent in its place: half of it at once, the rest once released.
    HoldRest(usize),
    /// Processed, another body is sent with the same status.
    ReplaceBody(String),
    /// Processed, this JSON merge patch (RFC 7396) changes the body.
    PatchBody(Value),
    /// Processed, these headers are set, or taken away with `null`.
    Headers(std::collections::BTreeMap<String, Option<String>>),
    /// Not processed; this status and message.
    Refuse {
        /// The status.
        status: u16,
        /// GitHub's `message`.
        message: String,
    },
    /// Not processed; this answer and no other header, as it was once recorded.
    Replay {
        /// The status.
        status: u16,
        /// All headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Not processed; this status and location.
    Redirect {
        /// 301, 302, 307 or 308.
        status: u16,
        /// Where to.
        location: String,
    },
    /// Not processed; the primary limit as GitHub says it, until `reset_in` seconds from now.
    PrimaryLimit {
        /// 403 or 429.
        status: u16,
        /// Seconds until the limit is reset.
        reset_in: i64,
    },
    /// Not processed; the secondary limit as GitHub says it.
    SecondaryLimit {
        /// 403 or 429.
        status: u16,
        /// `Retry-After`; GitHub does not always send one.
        retry_after: Option<u64>,
    },
}

impl Effect {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Hang => "hang",
            Self::Hold => "hold",
            Self::Delay(_) => "delay",
            Self::CloseBefore => "close_before",
            Self::LoseReply => "lose_reply",
            Self::HangAfter => "hang_after",
            Self::Truncate => "truncate",
            Self::HoldRest(_) => "hold_rest",
            Self::ReplaceBody(_) => "replace_body",
            Self::PatchBody(_) => "patch_body",
            Self::Headers(_) => "headers",
            Self::Refuse { .. } => "refuse",
            Self::Replay { .. } => "replay",
            Self::Redirect { .. } => "redirect",
            Self::PrimaryLimit { .. } => "primary_limit",
            Self::SecondaryLimit { .. } => "secondary_limit",
        }
    }
}

/// A fault whose effect is still to be said.
pub struct On(String);

impl Fault {
    /// A fault for calls that match: `POST /app/installations/*/access_tokens`.
    #[must_use]
    pub fn on(pattern: &str) -> On {
        On(pattern.to_owned())
    }

    /// The next so many matching calls only.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Not the first so many.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.after = calls;
        self
    }
}

impl On {
    /// This happens.
    #[must_use]
    pub fn effect(self, effect: Effect) -> Fault {
        Fault {
            on: self.0,
            times: None,
            after: 0,
            effect,
        }
    }

    /// [`Effect::Hang`]
    #[must_use]
    pub fn hang(self) -> Fault {
        self.effect(Effect::Hang)
    }

    /// [`Effect::Hold`]
    #[must_use]
    pub fn hold(self) -> Fault {
        self.effect(Effect::Hold)
    }

    /// [`Effect::CloseBefore`]
    #[must_use]
    pub fn close_before(self) -> Fault {
        self.effect(Effect::CloseBefore)
    }

    /// [`Effect::LoseReply`]
    #[must_use]
    pub fn lose_reply(self) -> Fault {
        self.effect(Effect::LoseReply)
    }

    /// [`Effect::Truncate`]
    #[must_use]
    pub fn truncate(self) -> Fault {
        self.effect(Effect::Truncate)
    }

    /// [`Effect::HoldRest`]
    #[must_use]
    pub fn hold_rest(self, bytes: usize) -> Fault {
        self.effect(Effect::HoldRest(bytes))
    }

    /// [`Effect::ReplaceBody`] with what is no JSON.
    #[must_use]
    pub fn not_json(self) -> Fault {
        self.effect(Effect::ReplaceBody("<html>Unicorn!</html>".to_owned()))
    }

    /// [`Effect::ReplaceBody`] with JSON of another shape.
    #[must_use]
    pub fn wrong_json(self) -> Fault {
        self.effect(Effect::ReplaceBody(r#"["unexpected"]"#.to_owned()))
    }

    /// [`Effect::PatchBody`]
    #[must_use]
    pub fn patch_body(self, patch: Value) -> Fault {
        self.effect(Effect::PatchBody(patch))
    }

    /// [`Effect::Refuse`]
    #[must_use]
    pub fn refuse(self, status: u16, message: &str) -> Fault {
        let message = message.to_owned();
        self.effect(Effect::Refuse { status, message })
    }

    /// [`Effect::Redirect`] with 302.
    #[must_use]
    pub fn redirect(self, location: &str) -> Fault {
        let location = location.to_owned();
        self.effect(Effect::Redirect {
            status: 302,
            location,
        })
    }

    /// [`Effect::SecondaryLimit`] with 403.
    #[must_use]
    pub fn secondary_limit(self, retry_after: Option<u64>) -> Fault {
        self.effect(Effect::SecondaryLimit {
            status: 403,
            retry_after,
        })
    }
}

/// What goes wrong next.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    /// From now on this goes wrong; earlier faults come first.
    pub fn add(&mut self, fault: Fault) {
        self.list.push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// What strikes this call.
    pub(crate) fn strike(&mut self, method: &str, path: &str) -> Option<Effect> {
        for fault in &mut self.list {
            if fault.times == Some(0) || !matches(&fault.on, method, path) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times -= 1;
            }
            return Some(fault.effect.clone());
        }
        None
    }
}

/// RFC 7396.
pub(crate) fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        patch.clone_into(into);
        return;
    };
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = into else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}
