//! Tokens that the vault kept over a restart, and the leases that are rebuilt on them.

use std::time::Duration;

use broker_protocol::names::LeaseId;
use broker_secret_memory::token::HashedToken;

use super::{Entry, Token, TokenTable};

impl TokenTable {
    /// Takes over a token that the vault kept over a restart. No one holds it yet, and it is shared
    /// again if it is the one of its key that lives longest. One whose end a broker before this one was
    /// about to ask for may be dead: no lease shares it or holds it again, and its end is asked for again.
    pub(crate) fn restore(&self, token: Token) {
        let mut inner = self.lock();
        let must_end = token.minted.ending;
        let newest = inner
            .current
            .get(&token.minted.key)
            .and_then(|hashed| inner.tokens.get(hashed))
            .is_none_or(|entry| {
                let left = |token: &Token| token.life.left(Duration::ZERO);
                left(&entry.token) < left(&token)
            });
        if newest && !must_end {
            let minted = token.minted.clone();
            inner.current.insert(minted.key, minted.hashed_credential);
        }
        inner.insert(Entry {
            must_end,
            restored: true,
            ..Entry::new(token, None)
        });
    }

    /// Gives a lease that was rebuilt the token that its record names. `false` if that is gone, or is
    /// to end.
    pub(crate) fn restore_holder(&self, lease: &LeaseId, hashed: &HashedToken) -> bool {
        let mut inner = self.lock();
        let stays = inner
            .tokens
            .get(hashed)
            .is_some_and(|entry| !entry.must_end);
        stays && inner.give(lease, hashed)
    }
}
