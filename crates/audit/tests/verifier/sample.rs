//! Logs made up for tests, and ways to damage them.

use std::path::{Path, PathBuf};

use broker_audit::chain::Head;
use broker_audit::record::{Body, BrokerEvent, Issued, LeaseEvent, LogEvent, write_line};
use broker_audit::segment;

/// Segments by file name and content, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log(pub(crate) Vec<(String, Vec<u8>)>);

impl Log {
    /// A log whose segments hold as many records as given.
    pub(crate) fn of(records: &[u64]) -> Self {
        let mut head = Head::EMPTY;
        let segments = records.iter().map(|count| {
            let name = segment::name(head.records);
            let mut bytes = Vec::new();
            for _ in 0..*count {
                let body = body(head.records);
                let time = "2026-11-21T07:00:00.5Z".parse().unwrap();
                head = write_line(&mut bytes, head, time, &body);
            }
            (name, bytes)
        });
        Self(segments.collect())
    }

    /// The lines of all segments: which segment, and the bytes with their newline.
    pub(crate) fn lines(&self) -> Vec<(usize, Vec<u8>)> {
        let lines = self.0.iter().enumerate().flat_map(|(index, (_, bytes))| {
            let lines = bytes.split_inclusive(|b| *b == b'\n');
            lines.map(move |line| (index, line.to_vec()))
        });
        lines.collect()
    }

    /// The same segments with other lines.
    pub(crate) fn with(&self, lines: &[(usize, Vec<u8>)]) -> Self {
        let mut log = Self(
            self.0
                .iter()
                .map(|(name, _)| (name.clone(), Vec::new()))
                .collect(),
        );
        for (segment, line) in lines {
            log.0[*segment].1.extend_from_slice(line);
        }
        log
    }

    /// With one more record, so long that the last segment has this many bytes.
    pub(crate) fn filled_to(mut self, bytes: usize) -> Self {
        let head = broker_audit::verify::verify(self.parts()).unwrap().head;
        let line = |why: &str| {
            let mut line = Vec::new();
            let body = Body::of(&BrokerEvent::Stopped { why }).unwrap();
            write_line(
                &mut line,
                head,
                "2026-11-21T07:00:01Z".parse().unwrap(),
                &body,
            );
            line
        };
        let (_, last) = self.0.last_mut().unwrap();
        let filler = bytes - last.len() - line("").len();
        last.extend_from_slice(&line(&"x".repeat(filler)));
        self
    }

    /// With zero bytes at the end of a segment.
    pub(crate) fn ahead(mut self, segment: usize, zeros: usize) -> Self {
        let bytes = &mut self.0[segment].1;
        bytes.resize(bytes.len() + zeros, 0);
        self
    }

    /// Writes the segments into an empty directory.
    pub(crate) fn write(&self, dir: &Path) -> Vec<PathBuf> {
        let files = self.0.iter().map(|(name, bytes)| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        });
        files.collect()
    }

    /// The segments as the verifier takes them.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (&**name, &**bytes))
    }
}

fn body(seq: u64) -> Body {
    let body = match seq % 4 {
        0 => Body::of(&LogEvent::Opened {
            log_id: "00112233445566778899aabbccddeeff",
            public_key: "AAAA",
            format: "tokend-audit-v1",
        }),
        1 => Body::of(&BrokerEvent::Stopped {
            why: "ein Grund mit \"Anführung\" und \n Zeile",
        }),
        2 => Body::of(&LeaseEvent::Issued(Issued {
            lease: "ffeeddccbbaa99887766554433221100".into(),
            hashed_token: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into(),
            hashed_credential: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into(),
            installation: None,
            expires_at: None,
            stale_since: None,
        })),
        _ => Body::of(&LeaseEvent::DeniedMore {
            uid: 1000,
            count: seq,
            since: "2026-11-21T07:00:00Z".parse().unwrap(),
        }),
    };
    body.unwrap()
}
