//! The bodies of `/v1/rotations`, of sinks, and of revoking a leaked value.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::SecretName;

/// A new value.
///
/// It holds the value and so has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginRotation {
    /// The value.
    pub value: String,
    /// When it ends at GitHub, where you know and GitHub does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it may carry fewer scopes than the value in use, where policies declare none; and whether
    /// it is accepted where its permissions cannot be compared, as for a fine-grained token without
    /// declared permissions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fewer_scopes: bool,
}

/// When the old value may be revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRotation {
    /// In this many seconds. Absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_after: Option<u64>,
}

/// Rotations, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationList {
    /// The last rotation of each secret.
    pub rotations: Vec<RotationView>,
    /// Pass it as `?after=` to get the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The status of the rotation of one secret, and what is next. Never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationView {
    /// The secret.
    pub secret: SecretName,
    /// Its phase.
    pub phase: RotationPhase,
    /// The version in use before.
    pub old_version: Option<u64>,
    /// The version it brought.
    pub new_version: Option<u64>,
    /// The version in use now.
    pub version: Option<u64>,
    /// When the new value came into use.
    pub begun_at: Option<Timestamp>,
    /// When it was over, either way.
    pub ended_at: Option<Timestamp>,
    /// When the broker revokes the old value, once confirmed.
    pub revoke_at: Option<Timestamp>,
    /// Whether `rollback` still brings the old value back.
    pub reversible: bool,
    /// What is next.
    pub next: NextStep,
    /// Every step, in order.
    pub steps: Vec<StepView>,
    /// Where to create a new value, if one is needed.
    pub create: Option<CreateView>,
    /// Where else the value is kept.
    pub sinks: Vec<SinkView>,
    /// Why the step that is due failed the last time.
    pub failure: Option<String>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// The phase of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationPhase {
    /// There has been none.
    None,
    /// The new value is in use here; sinks and the live call are next.
    Swapped,
    /// The new value is everywhere and works; the old one still does too.
    Verified,
    /// The old value is being revoked at GitHub.
    Revoking,
    /// The old value is revoked and erased.
    Finished,
    /// The old value is in use again, and is written to the sinks.
    RollingBack,
    /// The old value is everywhere again.
    RolledBack,
}

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// Which step.
    pub step: RotationStep,
    /// Who takes it.
    pub waits_for: WaitsFor,
    /// In plain words: what to do, or what the broker will do.
    pub text: String,
    /// When the broker takes it.
    pub at: Option<Timestamp>,
}

/// The steps of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationStep {
    /// The operator creates a new value and passes it.
    Value,
    /// It is checked, stored and used.
    Swap,
    /// It is written to the sinks.
    Push,
    /// GitHub is called with it.
    Verify,
    /// The operator confirms that the old value may be revoked.
    Confirm,
    /// The broker waits until the time that was confirmed.
    Wait,
    /// GitHub is asked to revoke the old value.
    Revoke,
    /// The operator deletes the old value on GitHub's pages.
    Delete,
    /// GitHub is seen to refuse the old value.
    Prove,
    /// Old values are erased.
    Erase,
    /// Nothing.
    Nothing,
}

/// Who takes the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// The broker; `POST …/next` lets it do so at once.
    Broker,
    /// The operator.
    Operator,
    /// There is nothing left to do.
    #[serde(rename = "none")]
    NoOne,
}

/// One step of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// Which.
    pub step: RotationStep,
    /// In plain words.
    pub text: String,
    /// Whether it is done.
    pub done: bool,
}

/// Where to create a value, and what to choose there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateView {
    /// The form, filled in as far as a link can.
    pub link: String,
    /// What to choose, in the form's own words.
    pub settings: Vec<SettingView>,
    /// Notes.
    pub notes: Vec<String>,
}

/// One thing to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingView {
    /// What the form calls it.
    pub label: String,
    /// What to choose.
    pub value: String,
}

/// Sinks, in the order of the policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkList {
    /// The sinks.
    pub sinks: Vec<SinkView>,
}

/// A place besides the vault where a value is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkView {
    /// The secret.
    pub secret: SecretName,
    /// Where, such as `actions secret SYNC_TOKEN of acme/site`.
    pub sink: String,
    /// The secret whose token writes there.
    pub with: SecretName,
    /// Whether it holds the value in use.
    pub state: SinkStatus,
    /// The version it holds, as far as its date shows.
    pub version: Option<u64>,
    /// When that was written.
    pub pushed_at: Option<Timestamp>,
    /// When GitHub says it was updated.
    pub updated_at: Option<Timestamp>,
    /// How many times in a row writing has failed.
    pub attempts: u32,
    /// When the broker tries again.
    pub next_at: Option<Timestamp>,
    /// Why it failed last.
    pub failure: Option<String>,
}

/// Whether a sink holds the value in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkStatus {
    /// It holds the value in use.
    Current,
    /// It holds an older value.
    Stale,
    /// Writing the value in use has failed.
    Failed,
    /// The broker never wrote to it.
    Never,
}

impl SinkStatus {
    /// The word that is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Failed => "failed",
            Self::Never => "never written",
        }
    }
}

/// The outcome for a leaked secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRevoked {
    /// The secret.
    pub secret: SecretName,
    /// Whether GitHub was seen to refuse every value of it. Only then are they erased.
    pub dead: bool,
    /// Its versions.
    pub versions: Vec<u64>,
    /// How many leases were revoked.
    pub leases_ended: u64,
    /// Sinks that hold a value that is revoked, or should be.
    pub sinks: Vec<String>,
    /// What is left for the operator to do.
    pub todo: Vec<String>,
}
