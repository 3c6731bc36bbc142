//! Subordinate uids and the accounts that own them: `/etc/subuid`.
//!
//! With `newuidmap` an account can act as any of its subordinate uids, 65 536 by default, and keeps its
//! groups. So limits count such a uid as its owner. Rights do not: a uid gains nothing by having an owner.
//!
//! The file is checked when a caller is identified, in that thread, and read again when it changed. A
//! service may not ask the kernel who owns a peer's user namespace, so root's word is all there is.
//!
//! Not here: subordinate ids that only the name service knows (`subid:` in `nsswitch.conf`).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use broker_policy::Accounts as _;
use nix::errno::Errno;
use nix::sys::stat::stat;

use super::executable::FileId;
use crate::accounts::SystemAccounts;

/// Where `newuidmap` looks.
pub(super) const FILE: &str = "/etc/subuid";

/// The longest file that is read, in bytes: more than a hundred thousand lines.
const LONGEST: u64 = 4 << 20;

/// Subordinate uids, as the file last said.
pub(super) struct Subordinates {
    path: PathBuf,
    known: RwLock<Known>,
}

#[derive(Clone, Default)]
struct Known {
    /// `None` while there is no file.
    file: Option<FileId>,
    ranges: Arc<[Range]>,
}

/// One line.
#[derive(Debug)]
struct Range {
    owner: Owner,
    first: u32,
    /// The last uid of it.
    last: u32,
}

#[derive(Debug)]
enum Owner {
    Uid(u32),
    /// Looked up when the file is read; a name service that does not know it is asked again.
    Name(String, OnceLock<u32>),
}

impl Subordinates {
    /// Reads this file.
    pub(super) fn at(path: PathBuf) -> Self {
        let known = RwLock::default();
        let subordinates = Self { path, known };
        drop(subordinates.ranges());
        subordinates
    }

    /// Whose this uid is, where it is another account's. May ask the name service: not for the serving
    /// thread.
    pub(super) fn owner(&self, uid: u32) -> Option<u32> {
        owner(&self.ranges(), uid, |name| SystemAccounts.uid(name))
    }

    /// The same as far as it is known already. Blocks for nothing.
    pub(super) fn known_owner(&self, uid: u32) -> Option<u32> {
        owner(&self.known().ranges, uid, |_unknown| None)
    }

    /// The ranges, read again if the file changed. One that cannot be read changes nothing.
    fn ranges(&self) -> Arc<[Range]> {
        let known = self.known();
        let file = match stat(&self.path) {
            Ok(found) => Some(FileId::of(&found)),
            Err(Errno::ENOENT) => None,
            Err(error) => {
                tracing::warn!(cause = %error, path = %self.path.display(), "cannot check subordinate uids");
                return known.ranges;
            }
        };
        if known.file == file {
            return known.ranges;
        }
        let ranges = match self.read(file.is_some()) {
            Ok(text) => parse(&text, |line, why| {
                let file = self.path.display();
                tracing::warn!("{file}:{line}: {why}; the line is ignored");
            }),
            Err(error) => {
                tracing::warn!(cause = %error, path = %self.path.display(), "cannot read subordinate uids");
                return known.ranges;
            }
        };
        // Before they are known: a connection is counted by what is known, without asking anyone.
        ranges.iter().for_each(Range::look_up);
        let ranges: Arc<[Range]> = ranges.into();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known {
            file,
            ranges: Arc::clone(&ranges),
        };
        ranges
    }

    fn known(&self) -> Known {
        let known = self.known.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a replaced byte names no account, so its line is passed over and the others count"
    )]
    fn read(&self, is_there: bool) -> io::Result<String> {
        let mut bytes = Vec::new();
        if is_there {
            File::open(&self.path)?
                .take(LONGEST)
                .read_to_end(&mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Range {
    fn look_up(&self) {
        if let Owner::Name(name, known) = &self.owner
            && let Some(uid) = SystemAccounts.uid(name)
        {
            known.get_or_init(|| uid);
        }
    }
}

/// The first range that holds a uid names its owner. Ranges of root are ignored: root has no limits to count
/// against.
fn owner(ranges: &[Range], uid: u32, look_up: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    let holds = |range: &&Range| range.first <= uid && uid <= range.last;
    let mut owners = ranges
        .iter()
        .filter(holds)
        .filter_map(|range| match &range.owner {
            Owner::Uid(owner) => Some(*owner),
            Owner::Name(name, known) => known.get().copied().or_else(|| {
                let owner = look_up(name)?;
                Some(*known.get_or_init(|| owner))
            }),
        });
    owners.find(|owner| *owner != 0 && *owner != uid)
}

/// Reads `OWNER:FIRST:COUNT` lines. What is none is skipped, and reported by number with what is wrong.
fn parse(text: &str, mut warn: impl FnMut(usize, &str)) -> Vec<Range> {
    let mut ranges = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match range(line) {
            Ok(range) => ranges.push(range),
            Err(why) => warn(number, why),
        }
    }
    ranges
}

fn range(line: &str) -> Result<Range, &'static str> {
    let parts: Vec<&str> = line.split(':').collect();
    let [owner, first, count] = parts[..] else {
        return Err("it is not of the form OWNER:FIRST:COUNT");
    };
    let first: u32 = first
        .parse()
        .map_err(|_no_uid| "the first uid is not a number")?;
    let count: u32 = count
        .parse()
        .map_err(|_no_count| "the count is not a number")?;
    let last = count
        .checked_sub(1)
        .and_then(|more| first.checked_add(more));
    let last = last.ok_or("the range is empty or ends beyond the last uid")?;
    if first == 0 {
        return Err("root is no subordinate");
    }
    let owner = match owner.parse() {
        Ok(uid) => Owner::Uid(uid),
        Err(_) if owner.is_empty() => return Err("it names no owner"),
        Err(_) => Owner::Name(owner.to_owned(), OnceLock::new()),
    };
    Ok(Range { owner, first, last })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::unistd::User;

    use super::*;

    fn owner_in(text: &str, uid: u32) -> Option<u32> {
        let ranges = parse(text, |line, why| panic!("{line}: {why}"));
        owner(&ranges, uid, |name| (name == "alice").then_some(1000))
    }

    #[test]
    fn a_uid_is_its_owners_from_the_first_of_the_range_to_the_last() {
        let text = "# by useradd\nalice:100000:65536\n\n1001:165536:65536\nnobody-known:300000:5\n";
        for (uid, whose) in [
            (99_999, None),
            (100_000, Some(1000)),
            (165_535, Some(1000)),
            (165_536, Some(1001)),
            (231_071, Some(1001)),
            (231_072, None),
            (300_000, None),
            (0, None),
        ] {
            assert_eq!(owner_in(text, uid), whose, "{uid}");
        }
    }

    #[test]
    fn neither_roots_ranges_nor_ones_own_uid_in_ones_own_range_make_an_owner() {
        assert_eq!(owner_in("0:100000:65536\n", 100_000), None);
        assert_eq!(owner_in("alice:1000:65536\n", 1000), None);
        // The next range that holds it may.
        assert_eq!(owner_in("0:100000:9\n1001:100000:9\n", 100_000), Some(1001));
    }

    #[test]
    fn a_line_that_is_no_range_is_skipped_and_reported() {
        let mut reported = Vec::new();
        let text = "alice\nalice:x:1\nalice:1:x\nalice:5:0\nalice:4294967295:2\n:5:5\na:b:c:d\n\
                    alice:0:10\n1001:200000:10\n";
        let ranges = parse(text, |line, _why| reported.push(line));
        assert_eq!(reported, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(owner(&ranges, 200_009, |_| None), Some(1001));
        let all = parse("1001:1:4294967295\n", |line, why| panic!("{line}: {why}"));
        assert_eq!(owner(&all, u32::MAX, |_| None), Some(1001));
    }

    #[test]
    fn the_file_is_read_again_when_it_changes_and_one_that_is_gone_gives_no_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("subuid");
        let subordinates = Subordinates::at(path.clone());
        assert_eq!(subordinates.owner(100_000), None);
        fs::write(&path, "1000:100000:10\n").unwrap();
        assert_eq!(subordinates.known_owner(100_000), None, "not read yet");
        assert_eq!(subordinates.owner(100_000), Some(1000));
        assert_eq!(subordinates.known_owner(100_000), Some(1000));
        fs::write(&path, "1001:100000:1000\n").unwrap();
        assert_eq!(subordinates.owner(100_000), Some(1001));
        // Also by name, from the moment on that the new table is known.
        fs::write(&path, "nobody:300000:10\n").unwrap();
        assert_eq!(subordinates.owner(100_000), None);
        let owner = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
        assert_eq!(subordinates.known_owner(300_000), Some(owner));
        fs::remove_file(&path).unwrap();
        assert_eq!(subordinates.owner(100_000), None);
    }

    #[test]
    fn a_name_is_known_without_a_look_up_once_it_was_looked_up() {
        let ranges = parse("alice:100000:10\n", |line, why| panic!("{line}: {why}"));
        assert_eq!(owner(&ranges, 100_000, |_| None), None);
        assert_eq!(owner(&ranges, 100_000, |_| Some(1000)), Some(1000));
        assert_eq!(owner(&ranges, 100_000, |_| None), Some(1000));
    }
}
