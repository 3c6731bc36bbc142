//! Who gets a connection when there are not enough, and whose goes for it. Pure: no socket, no clock.
//!
//! An account has its share, and all of them together a limit. Where one is reached, a connection that
//! asks for nothing at the moment makes room: one that is idle or, where bodies are short, whose request
//! has not arrived whole. It is one of the account's own, or else one of the account that holds the most.
//! A request under way is never cut off. Beyond the limits some places are kept for operators and a few
//! for root, so that the kill switch can always be reached; no lease is taken on those and nothing is
//! proxied, or an operator's own scripts would soon hold them all.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Slots for operators and root beyond the limits.
pub(super) const KEPT: usize = 32;
/// How many of them are for root alone.
const KEPT_FOR_ROOT: usize = 8;
/// How long a connection has to be without a request before another of its account takes its place: a
/// program that opens many at once must not lose the first while its request is on the way.
const OWN_PATIENCE: Duration = Duration::from_secs(1);

/// What the account of a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Caller,
    Operator,
    Root,
}

/// One connection.
pub(super) type Id = u64;

/// A place for a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entered {
    pub(super) id: Id,
    /// Only what operators do may be asked there.
    pub(super) kept: bool,
    /// This one is to be closed for it; it has no place any more.
    pub(super) instead_of: Option<Id>,
}

/// Open connections, all accounts together and of each.
#[derive(Debug)]
pub(super) struct Admission {
    most: usize,
    most_of_one: usize,
    open: BTreeMap<Id, Open>,
    /// How many of each account are open, those on kept places apart.
    accounts: HashMap<u32, usize>,
    next: Id,
}

#[derive(Debug)]
struct Open {
    uid: u32,
    rank: Rank,
    kept: bool,
    /// Since when it has asked for nothing, by a clock that only goes forward; `None` while it asks.
    quiet_since: Option<Duration>,
}

impl Admission {
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            most,
            most_of_one,
            open: BTreeMap::new(),
            accounts: HashMap::new(),
            next: 0,
        }
    }

    /// Gives a new connection its place, or none.
    pub(super) fn enter(&mut self, uid: u32, rank: Rank, now: Duration) -> Option<Entered> {
        let of_one = self.accounts.get(&uid).copied().unwrap_or_default();
        let of_all: usize = self.accounts.values().sum();
        if of_one < self.most_of_one && of_all < self.most {
            return Some(self.place(uid, rank, false, now));
        }
        let own =
            |open: &Open| !open.kept && open.uid == uid && open.quiet_for(now) >= OWN_PATIENCE;
        if let Some(quiet) = self.quietest(own) {
            return Some(self.place_instead(quiet, uid, rank, now));
        }
        if of_one < self.most_of_one
            && let Some(quiet) = self.quietest_of_the_largest()
        {
            return Some(self.place_instead(quiet, uid, rank, now));
        }
        self.enter_kept(uid, rank, now)
    }

    fn enter_kept(&mut self, uid: u32, rank: Rank, now: Duration) -> Option<Entered> {
        let places = match rank {
            Rank::Caller => return None,
            Rank::Operator => KEPT - KEPT_FOR_ROOT,
            Rank::Root => KEPT,
        };
        let taken = self.open.values().filter(|open| open.kept).count();
        if taken < places {
            return Some(self.place(uid, rank, true, now));
        }
        // Root's are not for operators to take.
        let own = |open: &Open| open.kept && open.uid == uid;
        let lower = |open: &Open| open.kept && open.rank <= rank;
        let quiet = self.quietest(own).or_else(|| self.quietest(lower))?;
        Some(self.place_instead(quiet, uid, rank, now))
    }

    /// A request is under way. `false` if the connection has lost its place.
    pub(super) fn asks(&mut self, id: Id) -> bool {
        let open = self.open.get_mut(&id);
        open.map(|open| open.quiet_since = None).is_some()
    }

    /// None is, any more.
    pub(super) fn answered(&mut self, id: Id, now: Duration) {
        if let Some(open) = self.open.get_mut(&id) {
            open.quiet_since = Some(now);
        }
    }

    /// The connection has ended.
    pub(super) fn leave(&mut self, id: Id) {
        let Some(left) = self.open.remove(&id).filter(|left| !left.kept) else {
            return;
        };
        if let Some(count) = self.accounts.get_mut(&left.uid) {
            *count -= 1;
            if *count == 0 {
                self.accounts.remove(&left.uid);
            }
        }
    }

    fn place(&mut self, uid: u32, rank: Rank, kept: bool, now: Duration) -> Entered {
        let id = self.next;
        self.next += 1;
        if !kept {
            *self.accounts.entry(uid).or_default() += 1;
        }
        let quiet_since = Some(now);
        let open = Open {
            uid,
            rank,
            kept,
            quiet_since,
        };
        self.open.insert(id, open);
        Entered {
            id,
            kept,
            instead_of: None,
        }
    }

    /// The same kind of place that the other one had.
    fn place_instead(&mut self, of: Id, uid: u32, rank: Rank, now: Duration) -> Entered {
        let kept = self.open.get(&of).is_some_and(|open| open.kept);
        self.leave(of);
        Entered {
            instead_of: Some(of),
            ..self.place(uid, rank, kept, now)
        }
    }

    /// Of those that ask for nothing, the one for the longest time.
    fn quietest(&self, which: impl Fn(&Open) -> bool) -> Option<Id> {
        let quiet = self.open.iter().filter(|(_, open)| which(open));
        let quiet = quiet.filter_map(|(id, open)| Some((open.quiet_since?, *id)));
        quiet.min().map(|(_, id)| id)
    }

    /// Operators' are not for others to take.
    fn quietest_of_the_largest(&self) -> Option<Id> {
        let others = |open: &Open| !open.kept && open.rank == Rank::Caller;
        let quiet = self
            .open
            .values()
            .filter(|open| others(open) && open.quiet_since.is_some());
        let size = |open: &&Open| self.accounts.get(&open.uid).copied();
        let largest = quiet.max_by_key(size)?.uid;
        self.quietest(|open| others(open) && open.uid == largest)
    }
}

impl Open {
    fn quiet_for(&self, now: Duration) -> Duration {
        self.quiet_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);
    const LATER: Duration = Duration::from_secs(200);

    /// So many connections of an account, each with a request under way.
    fn busy(admission: &mut Admission, uid: u32, rank: Rank, count: usize) -> Vec<Id> {
        let enter = |_| {
            let entered = admission.enter(uid, rank, START).unwrap();
            assert!(admission.asks(entered.id));
            entered.id
        };
        (0..count).map(enter).collect()
    }

    fn id(entered: Option<Entered>) -> Id {
        entered.unwrap().id
    }

    #[test]
    fn one_account_cannot_take_every_connection() {
        let mut open = Admission::new(3, 2);
        let first = busy(&mut open, 7, Rank::Caller, 2)[0];
        assert_eq!(open.enter(7, Rank::Caller, LATER), None);
        busy(&mut open, 8, Rank::Caller, 1);
        assert_eq!(
            open.enter(9, Rank::Caller, LATER),
            None,
            "the limit over all accounts"
        );
        open.leave(first);
        assert!(open.enter(9, Rank::Caller, LATER).is_some());
    }

    #[test]
    fn accounts_that_hold_every_connection_shut_neither_root_nor_operators_out() {
        let mut open = Admission::new(1024, 256);
        for uid in 1..=4 {
            busy(&mut open, uid, Rank::Caller, 256);
        }
        assert_eq!(open.enter(5, Rank::Caller, LATER), None);
        for (uid, rank) in [(0, Rank::Root), (6, Rank::Operator)] {
            let entered = open.enter(uid, rank, LATER).unwrap();
            assert!(entered.kept && entered.instead_of.is_none());
        }
    }

    #[test]
    fn an_account_at_its_limit_gives_up_its_own_and_no_one_elses() {
        let mut open = Admission::new(10, 2);
        let others = id(open.enter(8, Rank::Caller, START));
        let first = id(open.enter(7, Rank::Caller, START));
        let second = id(open.enter(7, Rank::Caller, START));
        let at_once = open.enter(7, Rank::Caller, START);
        assert_eq!(at_once, None, "its requests may be on the way");
        assert!(open.asks(first));
        let third = open.enter(7, Rank::Caller, LATER).unwrap();
        assert_eq!(
            third.instead_of,
            Some(second),
            "the first has a request under way"
        );
        assert!(!open.asks(second) && open.asks(third.id) && open.asks(others));
        open.answered(first, LATER);
        assert_eq!(
            open.enter(7, Rank::Caller, LATER),
            None,
            "answered just now"
        );
        let later = LATER + OWN_PATIENCE;
        let fourth = open.enter(7, Rank::Caller, later).unwrap();
        assert_eq!(fourth.instead_of, Some(first));
    }

    #[test]
    fn when_all_are_taken_the_account_that_holds_most_makes_room_and_operators_do_not() {
        let mut open = Admission::new(6, 3);
        let operators = id(open.enter(1, Rank::Operator, START));
        let small = id(open.enter(2, Rank::Caller, START));
        let large: Vec<_> = (0..3)
            .map(|_| id(open.enter(3, Rank::Caller, START)))
            .collect();
        busy(&mut open, 4, Rank::Caller, 1);
        let entered = open.enter(5, Rank::Caller, START).unwrap();
        assert_eq!((entered.instead_of, entered.kept), (Some(large[0]), false));
        let entered = open.enter(6, Rank::Caller, START).unwrap();
        assert_eq!(entered.instead_of, Some(large[1]));
        assert!(open.asks(operators) && open.asks(small));
    }

    #[test]
    fn half_sent_requests_keep_no_caller_out() {
        let mut open = Admission::new(1024, 256);
        for uid in 1..=4 {
            for _ in 0..256 {
                open.enter(uid, Rank::Caller, START).unwrap();
            }
        }
        let entered = open.enter(5, Rank::Caller, START).unwrap();
        assert!(!entered.kept && entered.instead_of.is_some());
    }

    #[test]
    fn root_has_places_that_operators_cannot_take() {
        let mut open = Admission::new(1, 1);
        let operators = 1 + KEPT - KEPT_FOR_ROOT;
        busy(&mut open, 5, Rank::Operator, operators);
        assert_eq!(open.enter(5, Rank::Operator, LATER), None);
        for _ in 0..KEPT_FOR_ROOT {
            assert!(open.enter(0, Rank::Root, START).unwrap().kept);
        }
        // Root's own that ask for nothing make room for root's, and not for an operator's.
        assert_eq!(open.enter(5, Rank::Operator, LATER), None);
        let last = open.enter(0, Rank::Root, START).unwrap();
        assert!(last.kept && last.instead_of.is_some());
    }

    #[test]
    fn what_has_ended_is_not_counted() {
        let mut open = Admission::new(4, 2);
        for _ in 0..100 {
            let first = id(open.enter(7, Rank::Root, START));
            open.asks(first);
            let second = id(open.enter(7, Rank::Root, START));
            open.asks(second);
            let kept = id(open.enter(7, Rank::Root, START));
            for id in [kept, first, second, second] {
                open.leave(id);
            }
        }
        assert!(open.open.is_empty() && open.accounts.is_empty());
    }
}
