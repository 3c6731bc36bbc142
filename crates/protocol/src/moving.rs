//! The bodies of `/v1/secrets/{name}/move`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::SecretName;

/// Where a value is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveSecret {
    /// The source, as policies write it: `vault`, or a place outside of it such as
    /// `file:/run/secrets/site-token`.
    pub to: String,
    /// Read both sources, report what would be done, and change nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Replace another value in the new source; or, once policies name it, accept it as the right one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
}

/// The status of a move, and what is next. Never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveView {
    /// The secret.
    pub secret: SecretName,
    /// The source of the old copy.
    pub from: String,
    /// The source of the new one.
    pub to: String,
    /// Its phase.
    pub phase: MovePhase,
    /// When the value was first read from the new source.
    pub begun_at: Option<Timestamp>,
    /// What is next.
    pub next: NextMove,
    /// What to change in a policy file, where that is next.
    pub change: Option<PolicyChange>,
}

/// The phase of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovePhase {
    /// Nothing was changed.
    Planned,
    /// The value is in both sources.
    Copied,
    /// It is read from the new source; the old copy is the way back.
    Switched,
    /// It is read from the old source again, and the move is over.
    MovedBack,
    /// The way back is gone, and the move is over.
    Finished,
}

impl MovePhase {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Copied => "copied",
            Self::Switched => "switched",
            Self::MovedBack => "moved_back",
            Self::Finished => "finished",
        }
    }
}

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextMove {
    /// Which step.
    pub step: MoveStep,
    /// In plain words.
    pub text: String,
}

/// The next step of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveStep {
    /// The broker writes the value to the new source, once it is asked without `dry_run`.
    Write,
    /// The operator puts the value there.
    Put,
    /// `source` is changed in a policy file, as `change` says, and the policies are loaded.
    Switch,
    /// The file names the source, and nothing else in it has changed: the policies are loaded.
    Load,
    /// The operator changes the policy and loads it.
    ByHand,
    /// The operator has the old copy erased, or goes back.
    Finish,
    /// Nothing.
    Nothing,
}

/// A policy file that is to name another `source` for the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// With its directory.
    pub file: String,
    /// The line that declares the secret, counted from 1.
    pub line: u64,
    /// What `source` is to be.
    pub source: String,
    /// SHA-256 of the file as the broker read it, hexadecimal. One that differs was edited since.
    pub sha256: String,
    /// SHA-256 of the file that the change must produce, where policies in force came from that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_sha256: Option<String>,
}

/// A move of the value to another source; absent where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveUnderWay {
    /// The source of the old copy.
    pub from: String,
    /// The source of the new one.
    pub to: String,
    /// Its phase.
    pub step: MovePhase,
    /// When the value was first read from the new source.
    pub begun_at: Timestamp,
}
