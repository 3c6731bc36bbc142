//! Heads that are known from elsewhere: the log must lead through them.

use broker_audit::chain::Head;

/// How much of the log counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keep {
    /// Every whole record; the log must lead through these heads.
    Whole(KnownHeads),
    /// Records up to this head, which must all be there.
    Acknowledged(Head),
}

/// Heads that the log must lead through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownHeads {
    /// The later one: grants after it have yet to be counted.
    pub(super) newest: Head,
    /// An earlier one, where the vault knows of two: changes after it are to be reported.
    pub(super) before: Option<Head>,
}

impl KnownHeads {
    /// Of two heads, either of which may be the later.
    pub(crate) fn of(noted: Option<Head>, authenticated: Option<Head>) -> Self {
        let (one, other) = (
            noted.unwrap_or(Head::EMPTY),
            authenticated.unwrap_or(Head::EMPTY),
        );
        let (newest, before) = if one.records >= other.records {
            (one, other)
        } else {
            (other, one)
        };
        let before = Some(before).filter(|before| before.records > 0 && *before != newest);
        Self { newest, before }
    }
}

impl Keep {
    pub(super) const fn must_hold(self) -> Head {
        match self {
            Self::Whole(noted) => noted.newest,
            Self::Acknowledged(head) => head,
        }
    }

    const fn before(self) -> Option<Head> {
        match self {
            Self::Whole(noted) => noted.before,
            Self::Acknowledged(_) => None,
        }
    }

    /// Number of records before the first that the vault may not know.
    pub(super) fn earliest(self) -> u64 {
        self.before().unwrap_or_else(|| self.must_hold()).records
    }

    /// The head that one at this place is not, and should be.
    pub(super) fn contradicted_by(self, at: Head) -> Option<Head> {
        let heads = [Some(self.must_hold()), self.before()];
        let mut heads = heads.into_iter().flatten();
        heads.find(|head| head.records == at.records && head.hash != at.hash)
    }
}
