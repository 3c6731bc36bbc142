//! `cargo +nightly fuzz run reach`: whatever a path looks like, what a lease on one repository allows is
//! about that repository.
//!
//! The first byte chooses the method, the rest is the path, for git with its query. The oracle reads as
//! carelessly as a server can: it decodes until nothing changes, takes backslashes for slashes, drops empty
//! segments and resolves dots.

#![no_main]

use broker_policy::reach::git::GitRequest;
use broker_policy::reach::{GithubHost, needs};
use libfuzzer_sys::fuzz_target;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

fuzz_target!(|data: &[u8]| {
    let Some((&method, path)) = data.split_first() else {
        return;
    };
    let Ok(path) = std::str::from_utf8(path) else {
        return;
    };
    let method = METHODS[usize::from(method) % METHODS.len()];
    let (bare, query) = match path.split_once('?') {
        Some((bare, query)) => (bare, Some(query)),
        None => (path, None),
    };
    if let Ok(git) = GitRequest::parse(method, bare, query) {
        let shown = git.to_string();
        let shown = shown.replace(", and for an upload contents: write", "");
        let read = carelessly(bare);
        let named = read
            .iter()
            .map(|read| read.strip_suffix(".git").unwrap_or(read).to_owned());
        assert_about(&shown, &named.collect::<Vec<_>>());
    }
    let Ok(needs) = needs(GithubHost::Api, method, path, &[]) else {
        return;
    };
    let read = carelessly(path);
    for need in needs {
        assert_about(&need.to_string(), &read);
    }
});

fn assert_about(shown: &str, read: &[String]) {
    let (_, needed) = shown
        .rsplit_once(" needs ")
        .expect("as every need is written");
    let on = needed.rsplit_once(" on ").map_or(needed, |(_, on)| on);
    // A repository or all of an owner's, an organisation, or one of each.
    for repository in on.split(" and ") {
        let Some((owner, name)) = repository.split_once('/').filter(|(_, name)| *name != "*")
        else {
            continue;
        };
        let within = read.windows(2).any(|two| two[0] == owner && two[1] == name);
        assert!(within, "{shown}, read as {read:?}");
    }
}

fn carelessly(path: &str) -> Vec<String> {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let next = decoded(&bytes);
        if next == bytes {
            break;
        }
        bytes = next;
    }
    let text = String::from_utf8_lossy(&bytes)
        .replace('\\', "/")
        .to_lowercase();
    let mut segments: Vec<String> = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other.to_owned()),
        }
    }
    segments
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes
            .get(at + 1..at + 3)
            .and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (byte, value) {
            (b'%', Some(value)) => {
                decoded.push(value);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}
