//! Secrets as operators see them, and what they are warned of.

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::api::{SecretState, SecretView};
use broker_protocol::check::{CheckFailed, Verdict};
use broker_protocol::names::{ONE_PASSWORD_TOKEN, SecretName};
use broker_protocol::source::{SourceSpec, how_to_store};
use broker_vault::StoredSecret;
use jiff::Timestamp;

use super::Status;
use crate::checks;
use crate::deadline::Deadline;

impl Status {
    /// Every secret that policies declare or the vault holds.
    pub(crate) fn secrets(&self) -> Vec<SecretView> {
        let policies = self.policies.in_force();
        let held: BTreeMap<SecretName, StoredSecret> = self.vault.list().into_iter().collect();
        let declared = policies.set.secrets().map(|secret| secret.name.clone());
        let names: BTreeSet<SecretName> = declared.chain(held.keys().cloned()).collect();
        let now = self.journal.now().wall;
        names
            .into_iter()
            .map(|name| self.secret_view(&name, held.get(&name), now))
            .collect()
    }

    fn secret_view(
        &self,
        name: &SecretName,
        held: Option<&StoredSecret>,
        now: Timestamp,
    ) -> SecretView {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        let usage = self.vault.usage(name);
        let attempt = self.vault.check(name);
        let rotate_every = declared.and_then(|secret| secret.rotate_every);
        let expires_at = self.secrets.ends_at(declared, held);
        let deadline = self.secrets.deadline(declared, held);
        let source = declared.map_or(SourceSpec::Vault, |secret| secret.source.clone());
        let source_fault = self.sources.fault(&source, self.journal.now());
        let cached = self.sources.cache.state_of(&source, self.journal.now());
        let has_value = match &source {
            SourceSpec::Vault => held.is_some(),
            _ => source_fault.is_none() || cached.is_some(),
        };
        let purposes = policies
            .set
            .purposes()
            .filter(|purpose| purpose.whole.secret == *name);
        let state = match deadline.state(now) {
            _ if !has_value => SecretState::Missing,
            SecretState::Expired => SecretState::Expired,
            state => {
                let rejected = declared.and_then(|secret| self.secrets.rejected_since(secret));
                rejected.map_or(state, |_| SecretState::Rejected)
            }
        };
        let mut view = SecretView {
            name: name.clone(),
            declared: declared.is_some(),
            kind: declared.map(|secret| secret.kind.as_str().to_owned()),
            owner: declared.and_then(|secret| secret.owner.as_deref().map(str::to_owned)),
            scopes: declared
                .map(|secret| secret.scopes.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            source: source.to_string(),
            source_fault: source_fault.map(|fault| fault.to_string()),
            source_read_at: cached.as_ref().map(|cached| cached.read_at),
            source_version: cached.as_ref().and_then(|cached| cached.version),
            stale_since: cached.and_then(|cached| cached.stale_since),
            purposes: purposes.map(|purpose| purpose.purpose().clone()).collect(),
            state,
            deadline: deadline.at(),
            expires_at,
            rotate_every: rotate_every.map(|every| every.as_secs()),
            rate_floor: declared.and_then(|secret| secret.rate_floor),
            version: held.map(|held| held.version),
            created_at: held.map(|held| held.created_at),
            set_at: held.map(|held| held.set_at),
            hashed_credential: held.map(|held| held.hashed_credential.as_str().to_owned()),
            last_used: usage.last_used,
            exposed_to: usage.exposed_to,
            check: attempt.checked.map(checks::view),
            check_failed: attempt.failed_at.map(|at| CheckFailed {
                at: at.wall(),
                why: None,
            }),
            warnings: Vec::new(),
            moving: self.moves.move_under_way(name),
        };
        let warnings = [
            secret_warning(&view, &deadline, now),
            check_warning(&view),
            stale_warning(&view),
        ];
        view.warnings = warnings.into_iter().flatten().collect();
        view
    }

    /// One secret, with what the last check of it found; `None` if there is none of this name.
    pub(crate) async fn secret(&self, name: &SecretName) -> Option<SecretView> {
        let mut secret = self.secrets().into_iter().find(|view| view.name == *name)?;
        self.checks.add_check_details(&mut secret).await;
        Some(secret)
    }
}

fn secret_warning(secret: &SecretView, deadline: &Deadline, now: Timestamp) -> Option<String> {
    let name = &secret.name;
    match secret.state {
        SecretState::Ok if name.as_str() == ONE_PASSWORD_TOKEN => None,
        SecretState::Ok if !secret.declared => Some(format!(
            "`{name}` is in the vault and no policy file declares it"
        )),
        SecretState::Ok => None,
        SecretState::Due | SecretState::Overdue => deadline.describe(name.as_str(), now),
        SecretState::Expired => Some(format!(
            "`{name}` ended at GitHub on {}; {}",
            date(secret.expires_at),
            how_to_store("a new value", name.as_str(), &secret.source)
        )),
        SecretState::Rejected => Some(format!(
            "`{name}` is refused by GitHub; {}; or see `tokenctl secret show {name}`",
            how_to_store("a new value", name.as_str(), &secret.source)
        )),
        SecretState::Missing if secret.source == "vault" => Some(format!(
            "`{name}` has no value; run `tokenctl secret set {name}`"
        )),
        SecretState::Missing => {
            let fault = secret.source_fault.as_deref();
            let fault = fault.unwrap_or("nothing was read there");
            Some(format!("`{name}` has no value: {fault}"))
        }
    }
}

/// What the last check found wrong, if it was of the value in use and the state does not say it already.
fn check_warning(secret: &SecretView) -> Option<String> {
    let name = &secret.name;
    let check = secret.check.as_ref()?;
    let is_said = matches!(secret.state, SecretState::Expired | SecretState::Rejected);
    if is_said || check.version != secret.version {
        return None;
    }
    let what = match check.verdict {
        Verdict::Ok | Verdict::NotProven => return None,
        Verdict::Warning => "has a warning",
        Verdict::Error => "is not as declared",
    };
    Some(format!(
        "`{name}` {what} (checked {}); `tokenctl secret show {name}` says what was found",
        date(Some(check.checked_at))
    ))
}

/// That a value is served although its source is down.
fn stale_warning(secret: &SecretView) -> Option<String> {
    let since = secret.stale_since?.strftime("%Y-%m-%d %H:%M UTC");
    let why = secret.source_fault.as_deref()?;
    Some(format!(
        "`{}` is served from what was read before, past its time since {since}: {why}",
        secret.name
    ))
}

fn date(at: Option<Timestamp>) -> String {
    at.map_or_else(
        || "an unknown day".to_owned(),
        |at| at.strftime("%Y-%m-%d").to_string(),
    )
}
