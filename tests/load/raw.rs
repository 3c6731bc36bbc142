//! What the machine itself takes: the least any program that does the same could need.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// A file that grows by one record at a time, each made durable by itself.
pub(crate) struct Appends {
    file: File,
    record: Vec<u8>,
    at: u64,
}

impl Appends {
    pub(crate) fn to(path: &Path, size: usize) -> Self {
        let file = File::create(path).unwrap();
        Self {
            file,
            record: vec![b'x'; size],
            at: 0,
        }
    }

    pub(crate) fn append(&mut self) {
        self.file.write_all_at(&self.record, self.at).unwrap();
        self.file.sync_data().unwrap();
        self.at += self.record.len() as u64;
    }
}

/// A process that answers so many bytes with so many, and does nothing else.
pub(crate) struct Echo {
    child: Child,
    stream: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Echo {
    pub(crate) fn start(socket: &Path, request: usize, answer: usize) -> Self {
        // Not `current_exe`: building the binaries puts another file at its path meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("echo")
            .arg(socket)
            .args([request.to_string(), answer.to_string()]);
        let child = command.spawn().unwrap();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_not_yet) => std::thread::yield_now(),
            }
        };
        Self {
            child,
            stream,
            request: vec![b'x'; request],
            answer: vec![0; answer],
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn round_trip(&mut self) {
        self.stream.write_all(&self.request).unwrap();
        self.stream.read_exact(&mut self.answer).unwrap();
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The process behind [`Echo`].
pub(crate) fn echo(socket: &str, request: usize, answer: usize) {
    let (mut stream, _) = UnixListener::bind(socket).unwrap().accept().unwrap();
    let (mut asked, answer) = (vec![0; request], vec![b'x'; answer]);
    while stream.read_exact(&mut asked).is_ok() {
        stream.write_all(&answer).unwrap();
    }
}

/// Durable records a second by so many threads that share their syncs: one that finds no other
/// writing writes for all that wait.
pub(crate) fn group_commit(path: &Path, threads: usize, size: usize, time: Duration) -> f64 {
    let file = File::create(path).unwrap();
    let record = vec![b'x'; size];
    let group = Mutex::new(Group::default());
    let (written, stop) = (Condvar::new(), AtomicBool::new(false));
    let append = || {
        let mut state = group.lock().unwrap();
        state.waiting.extend_from_slice(&record);
        state.asked += 1;
        let own = state.asked;
        while state.durable < own {
            if state.writing {
                state = written.wait(state).unwrap();
                continue;
            }
            state.writing = true;
            let (bytes, upto, at) = (std::mem::take(&mut state.waiting), state.asked, state.size);
            state.size += bytes.len() as u64;
            drop(state);
            file.write_all_at(&bytes, at).unwrap();
            file.sync_data().unwrap();
            state = group.lock().unwrap();
            (state.durable, state.writing) = (upto, false);
            written.notify_all();
        }
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    append();
                }
            });
        }
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    group.into_inner().unwrap().durable as f64 / begun.elapsed().as_secs_f64()
}

#[derive(Default)]
struct Group {
    waiting: Vec<u8>,
    /// Records handed in, and how many of them are durable.
    asked: u64,
    durable: u64,
    size: u64,
    writing: bool,
}
