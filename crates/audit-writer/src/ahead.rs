//! Zeros at the end of the last segment, written and synced before records take their place.
//!
//! A sync of a file that grew waits for the file system's own journal, and one of blocks that were written
//! before does not. So a thread of its own extends the segment in steps, while the writer still has room in the
//! step before. The writer waits for none: where a step is late it is given up, and the file grows with its
//! records as it does without this.
//!
//! What is shared is one flag for each step. The thread holds it while it writes a piece of the zeros, so once
//! the writer has taken it back no zero comes any more, and records can stand where it wrote.
//!
//! Not here: when the zeros are cut off, and what stands in their place (`appender`).

use std::io;
use std::ops::RangeInclusive;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::disk::Disk;
use super::group_commit::lock;

/// How far a segment is extended at once, in bytes; 0 for not at all.
pub(super) const STEP: u64 = 1 << 20;

/// Written under one hold of the flag: a writer that takes it back waits for one at most.
static PIECE: [u8; 64 << 10] = [0; 64 << 10];

/// How long after a step that failed the next is tried, on the boot clock: a full disk stays full for a while.
const RETRY: Duration = Duration::from_secs(1);

/// How a segment is extended.
pub(super) struct Ahead<D: Disk> {
    step: u64,
    hand_over: HandOver<D>,
    under_way: Option<UnderWay>,
    failed_at: Option<Duration>,
}

/// Of a segment, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Of its records.
    pub(super) size: u64,
    /// Of the file.
    pub(super) length: u64,
    /// The most it may have.
    pub(super) limit: u64,
}

/// Who does it.
enum HandOver<D: Disk> {
    /// A thread, which ends with this.
    Thread(Sender<Step<D>>),
    /// Whoever asks.
    #[cfg(test)]
    Inline,
}

/// What the writer knows of a step.
struct UnderWay {
    from: u64,
    to: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The thread has it.
    Wanted,
    /// The zeros are durable.
    Done,
    /// Some of them may be there.
    Failed,
    /// The writer has taken it back.
    Over,
}

/// One extension of one file.
struct Step<D: Disk> {
    disk: D,
    /// Opened for this alone: a failed sync is reported once to each opening, and one that the thread is told
    /// of must reach the writer too.
    file: D::File,
    from: u64,
    to: u64,
    state: Arc<Mutex<State>>,
}

impl<D: Disk> Ahead<D> {
    /// Starts the thread, unless `step` is 0.
    pub(super) fn on_a_thread(step: u64) -> io::Result<Self> {
        let (sender, steps) = mpsc::channel::<Step<D>>();
        let ahead = Self::new(step, HandOver::Thread(sender));
        if step == 0 {
            return Ok(ahead);
        }
        thread::Builder::new()
            .name("audit-ahead".to_owned())
            .spawn(move || steps.into_iter().for_each(|step| step.take()))?;
        Ok(ahead)
    }

    /// Extends at once, so that a test says when.
    #[cfg(test)]
    pub(super) const fn inline(step: u64) -> Self {
        Self::new(step, HandOver::Inline)
    }

    /// Whose thread has died.
    #[cfg(test)]
    pub(super) fn dead(step: u64) -> Self {
        Self::new(step, HandOver::Thread(mpsc::channel().0))
    }

    const fn new(step: u64, hand_over: HandOver<D>) -> Self {
        Self {
            step,
            hand_over,
            under_way: None,
            failed_at: None,
        }
    }

    /// Looks what became of the step. Returns the lengths that a file may have which was `length` long before it,
    /// and whether it stays as long as it is now. A step that is over is taken back, and so is one that is late:
    /// records up to `end` come now.
    pub(super) fn settle(
        &mut self,
        length: u64,
        end: u64,
        now: Duration,
    ) -> (RangeInclusive<u64>, bool) {
        let Some(UnderWay { from, to, state }) = &self.under_way else {
            return (length..=length, true);
        };
        let (from, to) = (*from, *to);
        let mut state = lock(state);
        let lengths = match *state {
            State::Wanted if end <= from => return (from..=to, false),
            State::Done => to..=to,
            State::Wanted | State::Failed | State::Over => from..=to,
        };
        if *state == State::Failed {
            self.failed_at = Some(now);
        }
        *state = State::Over;
        drop(state);
        self.under_way = None;
        (lengths, true)
    }

    /// Has the file extended, if less than half a step is left behind its records.
    pub(super) fn extend(
        &mut self,
        disk: &D,
        (name, file): (&str, &D::File),
        room: Room,
        now: Duration,
    ) {
        let Room {
            size,
            length,
            limit,
        } = room;
        let to = length.saturating_add(self.step).min(limit);
        let is_enough = length.saturating_sub(size) > self.step / 2;
        let is_paused = self.failed_at.is_some_and(|at| now < at + RETRY);
        if self.under_way.is_some() || is_enough || to <= length || is_paused {
            return;
        }
        // Where the name leads elsewhere, the next batch says so.
        let Ok(Some(file)) = disk.open_again(name, file) else {
            return;
        };
        let state = Arc::new(Mutex::new(State::Wanted));
        self.under_way = Some(UnderWay {
            from: length,
            to,
            state: Arc::clone(&state),
        });
        let step = Step {
            disk: disk.clone(),
            file,
            from: length,
            to,
            state,
        };
        match &self.hand_over {
            // Without its thread a step is never done, and given up once it is late.
            HandOver::Thread(sender) => drop(sender.send(step)),
            #[cfg(test)]
            HandOver::Inline => step.take(),
        }
    }
}

impl<D: Disk> Step<D> {
    fn take(self) {
        let written = self.write();
        let mut state = lock(&self.state);
        if *state == State::Wanted {
            *state = match written {
                Ok(()) => State::Done,
                Err(error) => {
                    tracing::debug!(%error, "the audit log's segment is not extended");
                    State::Failed
                }
            };
        }
    }

    fn write(&self) -> io::Result<()> {
        let mut at = self.from;
        while at < self.to {
            let state = lock(&self.state);
            if *state != State::Wanted {
                return Ok(());
            }
            let left = usize::try_from(self.to - at).unwrap_or(PIECE.len());
            let zeros = PIECE.get(..left).unwrap_or(&PIECE);
            self.disk.write_at(&self.file, at, zeros)?;
            drop(state);
            at += zeros.len() as u64;
        }
        self.disk.sync_data(&self.file)
    }
}
