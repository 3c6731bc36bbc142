//! What root finds out about a process: what it listens on, and what its memory holds.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;

use nix::unistd::Pid;

/// The process that listens on this port of 127.0.0.1, if there is one.
#[must_use]
pub fn listening_on(port: u16) -> Option<Pid> {
    let listens = format!(" 0100007F:{port:04X} 00000000:0000 0A ");
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let line = sockets.lines().find(|line| line.contains(&listens))?;
    let inode = line.split_whitespace().nth(9)?;
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut holders = numbers.filter(|pid: &i32| {
        // It may have ended meanwhile.
        let files = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten();
        let mut links = files.flatten().flat_map(|file| fs::read_link(file.path()));
        links.any(|link| link.to_str() == Some(&socket))
    });
    holders.next().map(Pid::from_raw)
}

/// The places of these in the memory of a process.
#[must_use]
pub fn copies_in_memory(pid: Pid, secrets: &[&str]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        // What is not written to is a program's own text.
        if !rest.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // A stack's guard, or what was unmapped meanwhile.
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        for (at, secret) in places_of(secrets, &bytes) {
            let around = &bytes[at.saturating_sub(24)..at];
            found.push(format!(
                "{secret} at {:x} {rest}: after {:?}",
                start + at as u64,
                around.escape_ascii().to_string()
            ));
        }
    }
    found
}

fn places_of<'s>(secrets: &[&'s str], bytes: &[u8]) -> Vec<(usize, &'s str)> {
    // In one pass, and fast enough without an optimiser.
    let begins: BTreeSet<u8> = secrets.iter().map(|secret| secret.as_bytes()[0]).collect();
    let mut found = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        if begins.contains(byte) {
            let here = &bytes[at..];
            let of = secrets.iter();
            let of = of.filter(|secret| here.starts_with(secret.as_bytes()));
            found.extend(of.map(|secret| (at, *secret)));
        }
    }
    found
}
