//! `cargo +nightly fuzz run audit_verify`: the verifier neither panics nor overlooks a change, and
//! brings the same answer however the bytes are portioned.
//!
//! The input is tried twice: as the bytes of a segment, and as a list of changes to a good log, for
//! no fuzzer finds a SHA-256 by itself.

#![no_main]

use broker_audit::broken::Broken;
use broker_audit::chain::Head;
use broker_audit::record::{Body, BrokerEvent, write_line};
use broker_audit::segment;
use broker_audit::verify::{Report, Walker, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&portion, data)) = data.split_first() else {
        return;
    };
    let portion = usize::from(portion) + 1;

    let _ = both_ways(data, portion);

    let good = log();
    let mut changed = good.clone();
    for change in data.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % good.len();
        changed[at] = change[2];
    }
    let last = good[..good.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    let verified = both_ways(&changed, portion);
    // Blocks written ahead are not content, however many.
    let ahead = [&changed[..], &vec![0; portion]].concat();
    assert_eq!(both_ways(&ahead, portion), verified);
    // Nothing vouches for the last line. With it changed too, this may be a log that was cut before
    // it and given another end, which only an anchor shows.
    let (before, end) = changed.split_at(last + 1);
    if before != &good[..=last] && end == &good[last + 1..] {
        verified.expect_err("a change before the last line was overlooked");
    }
});

/// Verifies in one go and portion by portion; the answers must be the same.
fn both_ways(bytes: &[u8], portion: usize) -> Result<Report, Broken> {
    let name = segment::name(0);
    let at_once = verify([(name.as_str(), bytes)]);
    let bytes = segment::content(bytes);
    let in_portions = || {
        let mut walker = Walker::whole();
        walker.segment(&name)?;
        let (mut done, mut brought) = (0, 0);
        while brought < bytes.len() {
            brought = bytes.len().min(brought + portion);
            done += walker.lines(&bytes[done..brought])?;
        }
        walker.ends_torn(bytes.len() - done)?;
        Ok(walker.finish()?.report())
    };
    assert_eq!(at_once, in_portions());
    at_once
}

fn log() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut head = Head::EMPTY;
    for why in ["SIGTERM", "SIGINT", "", "{\"v\":1,\"seq\":3", "\n"] {
        let body = Body::of(&BrokerEvent::Stopped { why }).unwrap();
        head = write_line(&mut bytes, head, jiff::Timestamp::UNIX_EPOCH, &body);
    }
    bytes
}
