//! The words in `kind`, for whoever reads records and does not know the types they were written from.

/// Every kind of record that this version writes, in order.
pub const KINDS: &[&str] = &[
    "audit.read",
    "broker.started",
    "broker.stopped",
    "deadline.warned",
    "github.limited",
    "lease.denied",
    "lease.denied_more",
    "lease.expired",
    "lease.failed",
    "lease.granted",
    "lease.issued",
    "lease.renewed",
    "lease.revoked",
    "leases.continued",
    "leases.open",
    "leases.rebuilt",
    "log.opened",
    "log.recovered",
    "policy.loaded",
    "policy.refused",
    "proxy.refused",
    "proxy.request",
    "proxy.response",
    "repository.failed",
    "repository.unpinned",
    "rotation.begun",
    "rotation.confirmed",
    "rotation.failed",
    "rotation.finished",
    "rotation.revoked",
    "rotation.revoking",
    "rotation.rolled_back",
    "rotation.swapped",
    "rotation.verified",
    "secret.checked",
    "secret.failed",
    "secret.move_failed",
    "secret.move_finished",
    "secret.moved",
    "secret.moved_back",
    "secret.moving",
    "secret.removed",
    "secret.revoked",
    "secret.revoking",
    "secret.set",
    "secret.used",
    "sink.failed",
    "sink.pushed",
    "token.minted",
    "token.not_revoked",
    "token.revoked",
    "vault.backed_up",
    "vault.locked",
    "vault.mismatch",
    "vault.rekey_failed",
    "vault.rekeyed",
    "vault.rekeying",
    "vault.restored",
    "vault.unlock_refused",
    "vault.unlocked",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn each_kind_that_can_be_written_is_listed_and_documented() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut written = BTreeSet::new();
        for file in fs::read_dir(root.join("src/record/event")).unwrap() {
            let source = fs::read_to_string(file.unwrap().path()).unwrap();
            let named = source.split("rename = \"").skip(1);
            written.extend(named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
        assert!(
            written.iter().map(String::as_str).eq(KINDS.iter().copied()),
            "{written:?}"
        );
        let format = fs::read_to_string(root.join("../../docs/audit-format.md")).unwrap();
        for kind in KINDS {
            assert!(
                format.contains(&format!("| `{kind}`")),
                "{kind} is not in docs/audit-format.md"
            );
        }
    }
}
