//! Which warnings were given, and who has yet to hear of them. Pure: time is an argument, and its owner
//! writes to the vault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_vault::StoredWarning;
use jiff::{SignedDuration, Timestamp};

use super::WarningKind;
use super::notice::{DEADLINE, DeadlineOf, Notice};
use crate::deadline::Deadline;

/// Who hears of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChannelName {
    Hook,
    Webhook,
}

impl ChannelName {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Webhook => "webhook",
        }
    }
}

/// A warning that may have been given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewWarning {
    pub(super) occasion: Box<str>,
    pub(super) mark: Timestamp,
    pub(super) notice: Notice,
}

/// The warning that a deadline calls for now, given before or not.
pub(super) fn due(
    subject: DeadlineOf<'_>,
    deadline: &Deadline,
    now: Timestamp,
) -> Option<NewWarning> {
    let (mark, at) = (deadline.warning_due(now)?, deadline.at()?);
    let notice = Notice::of_deadline(subject, deadline, mark, now)?;
    let version = notice.deadline.as_ref()?.version.unwrap_or(0);
    Some(NewWarning {
        occasion: format!("version {version}, {at}").into(),
        mark,
        notice,
    })
}

/// Everything that was given and still counts, the last of each key.
#[derive(Default)]
pub(super) struct WarningHistory {
    by_key: BTreeMap<Box<str>, Entry>,
    /// Whether it is known what was given before this start.
    pub(super) is_read: bool,
}

struct Entry {
    occasion: Box<str>,
    mark: Timestamp,
    /// Who has yet to hear of it.
    waits: BTreeSet<ChannelName>,
    /// Gone once every channel has heard of a deadline.
    notice: Option<Arc<Notice>>,
    kept: bool,
}

impl WarningHistory {
    /// Takes over what was given before this start. Who no longer hears of warnings waits for none.
    pub(super) fn read(&mut self, rows: Vec<StoredWarning>, heard_by: &BTreeSet<ChannelName>) {
        self.is_read = true;
        for row in rows {
            let waits = |name: &&ChannelName| match name {
                ChannelName::Hook => row.hook,
                ChannelName::Webhook => row.webhook,
            };
            let entry = Entry {
                waits: heard_by.iter().filter(waits).copied().collect(),
                occasion: row.occasion,
                mark: row.mark,
                // None, or one by another version: then there is nothing to send. The same where it is not
                // the row's own: that it was delivered would be noted under its own key, and it would be
                // sent again without end.
                notice: serde_json::from_str(&row.body)
                    .ok()
                    .filter(|notice: &Notice| notice.key() == row.key)
                    .map(Arc::new),
                kept: true,
            };
            self.by_key.entry(row.key).or_insert(entry);
        }
    }

    /// Whether this is new, and then it is given.
    pub(super) fn add(
        &mut self,
        fresh: NewWarning,
        heard_by: BTreeSet<ChannelName>,
        now: Timestamp,
    ) -> bool {
        let key = fresh.notice.key();
        if let Some(last) = self.by_key.get(&key)
            && !last.is_before(&fresh, now)
        {
            return false;
        }
        let entry = Entry {
            occasion: fresh.occasion,
            mark: fresh.mark,
            waits: heard_by,
            notice: Some(Arc::new(fresh.notice)),
            kept: false,
        };
        self.by_key.insert(key, entry);
        true
    }

    /// Drops the deadlines that are not among these, and all else that is older than a month: the
    /// secret was rotated or is gone. Returns their keys.
    pub(super) fn drop_others(
        &mut self,
        deadlines: &BTreeSet<Box<str>>,
        now: Timestamp,
    ) -> Vec<Box<str>> {
        let mut over = Vec::new();
        self.by_key.retain(|key, entry| {
            let keep = if is_deadline(key) {
                deadlines.contains(key)
            } else {
                now.duration_since(entry.mark) < MONTH
            };
            if !keep {
                over.push(key.clone());
            }
            keep
        });
        over
    }

    /// The first few that a channel has yet to hear of, in the order of their keys.
    pub(super) fn waiting(&self, channel: ChannelName, most: usize) -> Vec<Arc<Notice>> {
        let entries = self.by_key.values();
        let waiting = entries.filter(|entry| entry.waits.contains(&channel));
        let notices = waiting.filter_map(|entry| entry.notice.clone());
        notices.take(most).collect()
    }

    pub(super) fn count_waiting(&self, channel: ChannelName) -> u64 {
        let waits = |entry: &&Entry| entry.waits.contains(&channel) && entry.notice.is_some();
        self.by_key.values().filter(waits).count() as u64
    }

    /// A channel heard of these. A newer one of the same key, which has another id, still waits.
    pub(super) fn delivered(&mut self, channel: ChannelName, these: &[Arc<Notice>]) {
        for heard in these {
            if let Some(entry) = self.by_key.get_mut(&heard.key())
                && let Some(notice) = &entry.notice
                && notice.id == heard.id
            {
                entry.waits.remove(&channel);
                entry.kept = false;
                if entry.waits.is_empty() && heard.deadline.is_some() {
                    entry.notice = None;
                }
            }
        }
    }

    /// What the vault does not hold yet. It counts as held from here on.
    pub(super) fn take_unkept(&mut self) -> Vec<StoredWarning> {
        let unkept = self.by_key.iter_mut().filter(|(_, entry)| !entry.kept);
        let rows = unkept.map(|(key, entry)| {
            entry.kept = true;
            let body = entry.notice.as_ref();
            let body = body.and_then(|notice| serde_json::to_string(&**notice).ok());
            StoredWarning {
                key: key.clone(),
                occasion: entry.occasion.clone(),
                mark: entry.mark,
                hook: entry.waits.contains(&ChannelName::Hook),
                webhook: entry.waits.contains(&ChannelName::Webhook),
                body: body.unwrap_or_default().into(),
            }
        });
        rows.collect()
    }

    /// The vault does not hold these after all.
    pub(super) fn not_kept(&mut self, keys: &[Box<str>]) {
        for key in keys {
            if let Some(entry) = self.by_key.get_mut(key) {
                entry.kept = false;
            }
        }
    }

    /// The words of what was given within the last day, apart from what is shown with its secret: deadlines, and
    /// what checks found.
    pub(super) fn of_last_day(&self, now: Timestamp) -> Vec<String> {
        let entries = self.by_key.values();
        let today = entries.filter(|entry| now.duration_since(entry.mark) < DAY);
        let notices = today.filter_map(|entry| entry.notice.as_ref());
        let others = notices.filter(|notice| {
            notice.deadline.is_none() && notice.kind != WarningKind::Check.as_str()
        });
        others.map(|notice| notice.text.clone()).collect()
    }
}

impl Entry {
    /// Whether `fresh` says something that this did not. A mark in the future was made by a clock that
    /// was wrong, and does not count.
    fn is_before(&self, fresh: &NewWarning, now: Timestamp) -> bool {
        if self.occasion != fresh.occasion || self.mark > now {
            return true;
        }
        if fresh.notice.deadline.is_some() {
            return self.mark < fresh.mark;
        }
        fresh.mark.duration_since(self.mark) >= DAY
    }
}

fn is_deadline(key: &str) -> bool {
    key.split_once('/')
        .is_some_and(|(kind, _)| kind == DEADLINE)
}

const DAY: SignedDuration = SignedDuration::from_hours(24);
const MONTH: SignedDuration = SignedDuration::from_hours(31 * 24);

#[cfg(test)]
mod tests;
