//! The table that is printed, and the little statistics behind it.

use std::fmt;
use std::time::Duration;

/// One line: what, the goal, the raw limit, ours at the median and in the worst round.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) goal: String,
    pub(crate) raw: String,
    pub(crate) median: String,
    pub(crate) worst: String,
    /// Whether the median met the goal; `None` where there is none.
    pub(crate) met: Option<bool>,
}

/// All lines so far.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn push(&mut self, row: Row) {
        eprintln!("{}: {} (worst {})", row.what, row.median, row.worst);
        self.0.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| What | Goal | Raw | Ours, median | Worst round | Goal met |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for row in &self.0 {
            let met = match row.met {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "",
            };
            let Row {
                what,
                goal,
                raw,
                median,
                worst,
                ..
            } = row;
            writeln!(
                f,
                "| {what} | {goal} | {raw} | {median} | {worst} | {met} |"
            )?;
        }
        Ok(())
    }
}

/// The times of one round.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    /// Half took at most this long, in microseconds.
    pub(crate) p50: f64,
    /// 99 of 100 took at most this long, in microseconds.
    pub(crate) p99: f64,
}

impl Spread {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        Self {
            p50: micros(at(50)),
            p99: micros(at(99)),
        }
    }
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

/// The figure of the middle round.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

pub(crate) fn highest(figures: impl IntoIterator<Item = f64>) -> f64 {
    figures.into_iter().fold(f64::MIN, f64::max)
}

pub(crate) fn lowest(figures: impl IntoIterator<Item = f64>) -> f64 {
    figures.into_iter().fold(f64::MAX, f64::min)
}
