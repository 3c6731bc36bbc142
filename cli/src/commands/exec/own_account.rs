//! Whether the kernel tells this account from others.
//!
//! In a user namespace the kernel shows every account that has no number there as one and the same
//! (user_namespaces(7)). An account with that number cannot tell a socket of its own from another account's,
//! and the relay would serve both.

use std::fs;
use std::io;

use nix::unistd::geteuid;

use crate::error::Failure;

/// Refuses an account that looks like those that are not mapped.
pub(super) fn refuse_ambiguous() -> Result<(), Failure> {
    let map = match fs::read_to_string("/proc/self/uid_map") {
        // A kernel without user namespaces; where all of /proc is missing, no relay starts.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        map => {
            map.map_err(|error| Failure::new(format!("cannot read /proc/self/uid_map: {error}")))?
        }
    };
    let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    let overflow = overflow.and_then(|text| text.trim().parse().ok());
    let own = geteuid().as_raw();
    if !is_ambiguous(own, overflow.unwrap_or(OVERFLOW), &map) {
        return Ok(());
    }
    Err(Failure::with_hint(
        format!(
            "this user namespace shows every account that it has no number for as uid {own}, which is this account \
             too: the command's relay could not tell its connections from those of others"
        ),
        "run it under a number of its own there: `unshare --user --map-current-user`, or `docker run --user`",
    ))
}

/// Whether this account has the number of those that are not mapped, and there are such.
fn is_ambiguous(own: u32, overflow: u32, map: &str) -> bool {
    own == overflow && map.split_ascii_whitespace().collect::<Vec<_>>() != ALL
}

/// The map of a namespace where each account has its own number.
const ALL: [&str; 3] = ["0", "0", "4294967295"];

/// What the kernel takes unless it is configured.
const OVERFLOW: u32 = 65534;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_unmapped_accounts_is_ambiguous_wherever_there_are_some() {
        let all = "         0          0 4294967295\n";
        assert!(
            !is_ambiguous(65534, 65534, all),
            "each account has its own number"
        );
        for map in [
            "",
            "         0       1000          1\n",
            "         0     100000      65536\n",
            "  0 0 1000\n  1001 1001 4294966294\n",
        ] {
            assert!(is_ambiguous(65534, 65534, map), "{map}");
            assert!(!is_ambiguous(0, 65534, map), "{map}");
            assert!(!is_ambiguous(1000, 65534, map), "{map}");
        }
        assert!(is_ambiguous(7, 7, ""));
    }
}
