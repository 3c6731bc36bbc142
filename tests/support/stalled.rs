//! A standard error that is not read, until it is.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

/// A pipe that is full.
pub struct Stalled {
    read: File,
    write: OwnedFd,
}

impl Default for Stalled {
    fn default() -> Self {
        Self::new()
    }
}

impl Stalled {
    /// A pipe into which not one byte more goes.
    pub fn new() -> Self {
        let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
        // As small as the kernel makes it.
        fcntl(&write, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let mut filling = File::from(write.try_clone().unwrap());
        while filling.write(&[b'\n'; 4096]).is_ok() {}
        fcntl(&write, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        Self {
            read: File::from(read),
            write,
        }
    }

    /// The end to write to.
    pub fn end(&self) -> Stdio {
        Stdio::from(self.write.try_clone().unwrap())
    }

    /// Reads until this has come.
    ///
    /// # Panics
    ///
    /// If it does not come before everyone who writes has closed the pipe.
    pub fn read_until(&mut self, wanted: &str) {
        let mut text = Vec::new();
        let mut chunk = [0; 64 * 1024];
        while !text
            .windows(wanted.len())
            .any(|window| window == wanted.as_bytes())
        {
            let read = self.read.read(&mut chunk).unwrap();
            assert!(read > 0, "`{wanted}` did not come");
            // It may have come in two parts.
            let keep = text.len().saturating_sub(wanted.len());
            text.drain(..keep);
            text.extend_from_slice(&chunk[..read]);
        }
    }
}
