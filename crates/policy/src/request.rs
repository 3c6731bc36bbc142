//! What policy is asked, and what it answers.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::names::{Delivery, OrgName, Permissions, Purpose, RepoPattern, SecretName};

/// The local process on the other end of the socket, as the kernel describes it.
///
/// Only the account is always known. An attribute that could not be read, or that changed while
/// the request was on its way, is absent, and no rule that names it matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Account.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups, as of the moment of connecting.
    pub groups: Vec<u32>,
    /// Whose subordinate uid the account is. It counts against that account's limits and has none of its
    /// rights: no rule asks for it.
    pub subordinate_of: Option<u32>,
    /// Process, in the broker's own pid namespace.
    pub pid: Option<i32>,
    /// When that process started, in clock ticks since boot: with the pid it names one process.
    pub started: Option<u64>,
    /// System unit that holds the process.
    pub unit: Option<String>,
    /// Unit of the account's own manager.
    pub user_unit: Option<String>,
    /// Program on the socket: absolute path, checked to be the file that the broker sees there.
    pub exe: Option<String>,
    /// SHA-256 of that program; read only where some policy asks for it.
    pub sha256: Option<[u8; 32]>,
}

impl Caller {
    /// The account whose limits this caller's doings count against.
    #[must_use]
    pub fn account(&self) -> u32 {
        self.subordinate_of.unwrap_or(self.uid)
    }
}

/// A request, every part of it parsed. What is `None` was not asked for: the rule's own applies.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who.
    pub caller: Arc<Caller>,
    /// Why.
    pub purpose: Purpose,
    /// Where.
    pub repositories: Option<Vec<RepoPattern>>,
    /// Where.
    pub organization: Option<OrgName>,
    /// What.
    pub permissions: Option<Permissions>,
    /// How long.
    pub ttl: Option<Duration>,
}

/// What policy says to a request.
#[derive(Debug)]
pub enum Decision {
    /// Yes, this much.
    Allow(Grant),
    /// No.
    Deny(Denial),
}

/// The allowed subset, naming the rule that allowed it. Not yet access.
///
/// Only `policy::decide` makes one: the field is private to this module's parent.
#[derive(Debug)]
pub struct Grant(pub(super) Terms);

impl Grant {
    /// The same terms on the purpose's fallback, which has none in its turn; `None` where the
    /// purpose names none.
    ///
    /// For use only where the first secret is missing, expired, or an App that is not installed
    /// there: never after GitHub refused for lack of permission.
    #[must_use]
    pub fn fall_back(self) -> Option<Self> {
        let Fallback { secret, deliver } = self.0.fallback?;
        Some(Self(Terms {
            secret,
            deliver,
            fallback: None,
            ..self.0
        }))
    }
}

/// A second secret, and what the caller gets of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The secret.
    pub secret: SecretName,
    /// How strong a thing the caller then gets.
    pub deliver: Delivery,
}

/// What a grant allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Why.
    pub purpose: Purpose,
    /// The rule that spoke, such as `label-sync.toml#2`; rules are counted from 1.
    pub rule: Arc<str>,
    /// The secret behind it.
    pub secret: SecretName,
    /// How strong a thing the caller gets.
    pub deliver: Delivery,
    /// What is used where the secret cannot be.
    pub fallback: Option<Fallback>,
    /// Where. Shared, as `permissions` are: every lease of a rule bears them.
    pub repositories: Arc<[RepoPattern]>,
    /// Where.
    pub organization: Option<OrgName>,
    /// What.
    pub permissions: Arc<Permissions>,
    /// How long from now.
    pub ttl: Duration,
    /// How long at the most from the first grant, renewals included.
    pub ttl_max: Duration,
}

impl Deref for Grant {
    type Target = Terms;
    fn deref(&self) -> &Terms {
        &self.0
    }
}

/// Why policy said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// There is no such purpose.
    NoSuchPurpose,
    /// No rule of the purpose matches the caller.
    NoRule,
    /// A rule matches the caller and allows less than was asked.
    TooWide {
        /// The rule that spoke.
        rule: Arc<str>,
        /// What is too wide, in words for the caller, such as
        /// “permission `issues: write`; the rule allows `read`”.
        what: String,
    },
}
