//! A warning as those who hear of it get it; documented in docs/reference/warnings.md.

use std::borrow::Cow;

use broker_audit::record::SecretEvent;
use broker_protocol::api::SecretState;
use broker_protocol::hex;
use broker_protocol::names::SecretName;
use broker_vault::RootKeyInForce;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Warning;
use crate::deadline::Deadline;
use crate::secrets::{describe_root_key, rekey_hint};

/// One warning. Serialises as the vault stores it, where `hint` keeps the name it first had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Notice {
    /// The same for the same warning, however often it arrives.
    pub(super) id: String,
    pub(super) kind: Cow<'static, str>,
    pub(super) subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<SecretName>,
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<DeadlineFields>,
    pub(super) text: String,
    #[serde(default, rename = "mend", skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    pub(super) time: Timestamp,
}

/// A notice as hooks and webhooks get it: its `hint` under that name.
#[derive(Serialize)]
struct SentNotice<'n> {
    id: &'n str,
    kind: &'n str,
    subject: &'n str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'n SecretName>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    deadline: Option<&'n DeadlineFields>,
    text: &'n str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'n str>,
    time: Timestamp,
}

impl<'n> From<&'n Notice> for SentNotice<'n> {
    fn from(notice: &'n Notice) -> Self {
        Self {
            id: &notice.id,
            kind: &notice.kind,
            subject: &notice.subject,
            secret: notice.secret.as_ref(),
            deadline: notice.deadline.as_ref(),
            text: &notice.text,
            hint: notice.hint.as_deref(),
            time: notice.time,
        }
    }
}

/// What has a deadline.
#[derive(Clone, Copy)]
pub(super) enum DeadlineOf<'a> {
    Secret {
        name: &'a SecretName,
        /// `None` where the value is not stored in the vault.
        version: Option<u64>,
    },
    /// Its warnings have no record: `vault.rekeyed` says when it changed.
    RootKey(&'a RootKeyInForce),
}

/// What a warning of a deadline says besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeadlineFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u64>,
    state: SecretState,
    deadline: Timestamp,
    days_left: i64,
}

impl Notice {
    pub(super) fn of(warning: Warning, now: Timestamp) -> Self {
        let kind = warning.kind.as_str();
        Self {
            id: id(&[kind, &warning.subject, &now.to_string()]),
            kind: Cow::Borrowed(kind),
            subject: warning.subject,
            secret: warning.secret,
            deadline: None,
            text: warning.text,
            hint: warning.hint,
            time: now,
        }
    }

    /// `mark` is the moment before the deadline, or after, that was reached.
    pub(super) fn of_deadline(
        subject: DeadlineOf<'_>,
        deadline: &Deadline,
        mark: Timestamp,
        now: Timestamp,
    ) -> Option<Self> {
        let (at, days_left) = (deadline.at()?, deadline.days_left(now)?);
        let (name, secret, version, text, hint) = match subject {
            DeadlineOf::Secret { name, version } => (
                name.as_str(),
                Some(name.clone()),
                version,
                deadline.describe(name.as_str(), now)?,
                match version {
                    Some(_) => format!("run `tokenctl rotate {name}`"),
                    None => {
                        "make a new one at GitHub, and put it where the broker finds it".to_owned()
                    }
                },
            ),
            DeadlineOf::RootKey(key) => (
                ROOT_KEY,
                None,
                Some(key.version.into()),
                describe_root_key(deadline, now)?,
                rekey_hint(key).to_owned(),
            ),
        };
        let number = version.unwrap_or(0).to_string();
        let said = [DEADLINE, name, &number, &at.to_string(), &mark.to_string()];
        Some(Self {
            id: id(&said),
            kind: Cow::Borrowed(DEADLINE),
            subject: name.to_owned(),
            secret,
            deadline: Some(DeadlineFields {
                version,
                state: deadline.state(now),
                deadline: at,
                days_left,
            }),
            text,
            hint: Some(hint),
            time: now,
        })
    }

    /// What the history keeps it under: within its kind, the same subject is the same warning.
    pub(super) fn key(&self) -> Box<str> {
        format!("{}/{}", self.kind, self.subject).into()
    }

    /// The record of it; other warnings than deadlines have records where they come from.
    pub(super) fn as_record(&self) -> Option<SecretEvent<'_>> {
        let near = self.deadline.as_ref()?;
        Some(SecretEvent::DeadlineWarned {
            secret: self.secret.as_ref()?.as_str(),
            version: near.version,
            deadline: near.deadline,
            state: near.state.as_str(),
            days_left: near.days_left,
        })
    }
}

/// The message that a hook reads and a webhook is sent.
pub(super) fn message<'n>(notices: impl Iterator<Item = &'n Notice>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Message<'n> {
        v: u32,
        text: &'n str,
        content: &'n str,
        warnings: Vec<SentNotice<'n>>,
    }
    let warnings: Vec<&Notice> = notices.collect();
    let lines = warnings.iter().map(|notice| match &notice.hint {
        Some(hint) => format!("{}; {hint}", notice.text),
        None => notice.text.clone(),
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let end = text.char_indices().nth(MOST_CONTENT).map(|(at, _)| at);
    let content = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    let message = Message {
        v: 1,
        text: &text,
        content,
        warnings: warnings.into_iter().map(SentNotice::from).collect(),
    };
    serde_json::to_vec(&message).unwrap_or_default()
}

fn id(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("\n").as_bytes());
    hex::of(digest.iter().take(16))
}

pub(super) const DEADLINE: &str = "deadline";
/// What warnings of the root key are about; no secret can be called so.
const ROOT_KEY: &str = "root key";
/// Discord shows `content`, and refuses more than 2000 characters.
///
/// Source: Discord API types, “webhooks”.
const MOST_CONTENT: usize = 2000;

#[cfg(test)]
mod tests {
    use super::super::WarningKind;
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn near(now: &str) -> Notice {
        let ends = Deadline::of(None, None, Some(at("2026-12-01T00:00:00Z")));
        let mark = ends.warning_due(at(now)).unwrap();
        let subject = DeadlineOf::Secret {
            name: &"source-pat".parse().unwrap(),
            version: Some(3),
        };
        Notice::of_deadline(subject, &ends, mark, at(now)).unwrap()
    }

    #[test]
    fn a_message_says_all_in_words_and_in_fields() {
        let floor = Warning {
            kind: WarningKind::RateFloor,
            subject: "user acme-bot".to_owned(),
            secret: None,
            text: "17 of 5000 requests remain".to_owned(),
            hint: None,
        };
        let notices = [
            near("2026-11-24T08:00:00Z"),
            Notice::of(floor, at("2026-11-24T08:00:01Z")),
        ];
        let message = message(notices.iter());
        let value: serde_json::Value = serde_json::from_slice(&message).unwrap();
        let text = "`source-pat` ends at GitHub on 2026-12-01, in 7 days; run `tokenctl rotate \
                    source-pat`\n17 of 5000 requests remain";
        let first = serde_json::json!({
            "id": notices[0].id, "kind": "deadline", "subject": "source-pat", "secret": "source-pat",
            "version": 3, "state": "due", "deadline": "2026-12-01T00:00:00Z", "days_left": 7,
            "text": "`source-pat` ends at GitHub on 2026-12-01, in 7 days",
            "hint": "run `tokenctl rotate source-pat`", "time": "2026-11-24T08:00:00Z",
        });
        let second = serde_json::json!({
            "id": notices[1].id, "kind": "rate_floor", "subject": "user acme-bot",
            "text": "17 of 5000 requests remain", "time": "2026-11-24T08:00:01Z",
        });
        assert_eq!(
            value,
            serde_json::json!({"v": 1, "text": text, "content": text, "warnings": [first, second]})
        );
        for notice in notices {
            let body = serde_json::to_string(&notice).unwrap();
            assert_eq!(serde_json::from_str::<Notice>(&body).unwrap(), notice);
            assert_eq!(body.contains("\"mend\""), notice.hint.is_some(), "{body}");
        }
    }

    #[test]
    fn the_same_warning_has_the_same_id_whenever_it_is_looked_at() {
        assert_eq!(
            near("2026-11-24T08:00:00Z").id,
            near("2026-11-25T08:00:00Z").id
        );
        assert_ne!(
            near("2026-11-24T08:00:00Z").id,
            near("2026-11-30T08:00:00Z").id
        );
        assert_eq!(near("2026-11-24T08:00:00Z").id.len(), 32);
    }

    #[test]
    fn what_a_chat_shows_is_not_longer_than_it_takes() {
        let long = Warning {
            kind: WarningKind::Check,
            subject: "x".to_owned(),
            secret: None,
            text: "ä".repeat(3000),
            hint: None,
        };
        let notice = Notice::of(long, Timestamp::UNIX_EPOCH);
        let value: serde_json::Value =
            serde_json::from_slice(&message([&notice].into_iter())).unwrap();
        assert_eq!(value["content"].as_str().unwrap().chars().count(), 2000);
        assert_eq!(value["text"].as_str().unwrap().chars().count(), 3000);
    }
}
