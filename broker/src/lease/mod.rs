//! A lease. Pure: no clock is read here.

mod span;

use std::fmt;
use std::sync::Arc;
#[cfg(test)]
use std::time::Duration;

#[cfg(test)]
use broker_clock::Now;
use broker_policy::{Caller, Terms};
use broker_protocol::api::LeaseView;
use broker_protocol::names::{
    Delivery, LeaseId, OrgName, Permissions, Purpose, RepoPattern, SecretName,
};
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;

pub(crate) use self::span::{Span, TooShort, time_between};

/// Access that was granted and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) id: LeaseId,
    pub(crate) caller: Arc<Caller>,
    pub(crate) purpose: Purpose,
    pub(crate) secret: SecretName,
    /// Which version of it; `None` where the value is not stored in the vault.
    pub(crate) version: Option<u64>,
    pub(crate) rule: Arc<str>,
    pub(crate) deliver: Delivery,
    pub(crate) repositories: Arc<[RepoPattern]>,
    pub(crate) organization: Option<OrgName>,
    pub(crate) permissions: Arc<Permissions>,
    /// The caller's own words.
    pub(crate) reason: Option<Box<str>>,
    /// Whether it ends with the process that asked.
    pub(crate) until_exit: bool,
    pub(crate) span: Span,
    /// What was handed out; `None` until it is known.
    pub(crate) hashed_token: Option<HashedToken>,
    /// Of a `proxy` lease: what requests are made with at GitHub; `None` until it is known.
    pub(crate) opened: Option<HashedToken>,
    /// Why the purpose's fallback was used, where it was.
    pub(crate) fallback: Option<Box<str>>,
    /// Since when the value was past its time, where its source was down when it was handed out.
    pub(crate) stale_since: Option<Timestamp>,
    /// The record that allowed it.
    pub(crate) seq: u64,
}

impl Lease {
    /// The lease that these terms allow.
    pub(crate) fn new(id: LeaseId, caller: Arc<Caller>, terms: &Terms, span: Span) -> Self {
        Self {
            id,
            caller,
            purpose: terms.purpose.clone(),
            secret: terms.secret.clone(),
            version: None,
            rule: Arc::clone(&terms.rule),
            deliver: terms.deliver,
            repositories: Arc::clone(&terms.repositories),
            organization: terms.organization.clone(),
            permissions: Arc::clone(&terms.permissions),
            reason: None,
            until_exit: false,
            span,
            hashed_token: None,
            opened: None,
            fallback: None,
            stale_since: None,
            seq: 0,
        }
    }

    /// What is used at GitHub, as far as that is known: what was handed out, but of a `proxy` lease.
    pub(crate) fn hashed_credential(&self) -> Option<&HashedToken> {
        match self.deliver {
            Delivery::Raw | Delivery::Installation => self.hashed_token.as_ref(),
            Delivery::Proxy => self.opened.as_ref(),
        }
    }

    /// Whether this lease may end early so that its account can take `new`, which is handed `value`: the
    /// account holds the same value by the same rule for the same scope either way. One that ends with
    /// its process stays, and so does an installation token, which would end at GitHub.
    pub(crate) fn gives_way_to(&self, new: &Self, value: &HashedToken) -> bool {
        self.deliver == Delivery::Raw
            && new.deliver == Delivery::Raw
            && !self.until_exit
            && self.caller.uid == new.caller.uid
            && self.hashed_token.as_ref() == Some(value)
            && (&self.secret, self.version) == (&new.secret, new.version)
            && (&self.purpose, &self.rule) == (&new.purpose, &new.rule)
            && self.repositories == new.repositories
            && self.organization == new.organization
            && self.permissions == new.permissions
    }

    /// A raw lease of `label-sync`, for the tests of those who keep leases.
    #[cfg(test)]
    pub(crate) fn in_a_test(number: u128, uid: u32, now: Now, ttl: Duration) -> Self {
        let terms = Terms {
            purpose: "label-sync".parse().unwrap(),
            rule: "label-sync.toml#1".into(),
            secret: "org-label-sync-token".parse().unwrap(),
            deliver: Delivery::Raw,
            fallback: None,
            repositories: Arc::default(),
            organization: None,
            permissions: Arc::default(),
            ttl,
            ttl_max: ttl,
        };
        let caller = Arc::new(Caller {
            uid,
            ..Caller::default()
        });
        let span = Span::first(now, ttl, ttl, None).unwrap();
        Self::new(LeaseId::from_random(number), caller, &terms, span)
    }

    /// Where it stands in a list.
    pub(crate) fn position(&self) -> ListPosition {
        ListPosition {
            issued_ns: self.span.issued.wall.as_nanosecond(),
            lease: self.id.clone(),
        }
    }

    /// The lease as the API shows it.
    pub(crate) fn view(&self) -> LeaseView {
        LeaseView {
            lease: self.id.clone(),
            deliver: self.deliver,
            enforced_by: self.deliver.enforced_by(),
            purpose: self.purpose.clone(),
            secret: self.secret.clone(),
            rule: self.rule.as_ref().to_owned(),
            repositories: self.repositories.to_vec(),
            organization: self.organization.clone(),
            permissions: Permissions::clone(&self.permissions),
            uid: self.caller.uid,
            issued_at: self.span.issued.wall,
            expires_at: self.span.expires.wall,
            renewable_until: self.span.renewable.wall,
            audit_seq: self.seq,
            rate_limit: None,
            proxy: None,
            stale_since: self.stale_since,
            rejected_since: None,
        }
    }
}

/// Where a lease stands in a list: oldest first. A renewal does not move it, nor does a restart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListPosition {
    /// First grant, in nanoseconds of the wall clock since 1970.
    issued_ns: i128,
    lease: LeaseId,
}

impl fmt::Display for ListPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.issued_ns, self.lease)
    }
}

impl ListPosition {
    /// Reads what `Display` wrote; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (issued, lease) = text.split_once('.')?;
        Some(Self {
            issued_ns: issued.parse().ok()?,
            lease: lease.parse().ok()?,
        })
    }
}
