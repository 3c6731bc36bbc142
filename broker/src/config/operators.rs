//! Who may change things.

/// The accounts that may change things: those named, or the broker's own; and always root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operators {
    pub(super) uids: Vec<u32>,
    pub(super) gids: Vec<u32>,
}

impl Operators {
    /// Only this account, and root.
    #[must_use]
    pub fn only(uid: u32) -> Self {
        Self {
            uids: vec![uid],
            gids: Vec::new(),
        }
    }

    /// Whether a caller with this account and these groups is an operator.
    #[must_use]
    pub fn include(&self, uid: u32, gid: u32, groups: &[u32]) -> bool {
        uid == 0
            || self.uids.contains(&uid)
            || self
                .gids
                .iter()
                .any(|operators| *operators == gid || groups.contains(operators))
    }
}
