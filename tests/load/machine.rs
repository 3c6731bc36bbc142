//! The machine: what it is, and on which of its processors something runs.

use std::fs;
use std::process::Command;

/// One line for people who compare.
pub(crate) fn describe() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("an unnamed processor", |model| {
        model.trim_start_matches(['\t', ':', ' '])
    });
    let cores = std::thread::available_parallelism().unwrap();
    let kernel = read("/proc/sys/kernel/osrelease");
    let directory = std::env::temp_dir();
    let disk = Command::new("df")
        .args(["--output=source,fstype"])
        .arg(&directory)
        .output();
    let disk = disk
        .ok()
        .and_then(|ran| String::from_utf8(ran.stdout).ok())
        .unwrap_or_default();
    let disk = disk.lines().nth(1).unwrap_or("unknown").split_whitespace();
    let disk = disk.collect::<Vec<_>>().join(", ");
    format!(
        "{cores} processors ({model}), Linux {}, {disk}; load average before: {}",
        kernel.trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
    )
}

/// Keeps all threads of a process on these processors: `0`, or `0-1`.
pub(crate) fn pin(pid: u32, processors: &str) {
    let mut taskset = Command::new("taskset");
    taskset.args([
        "--all-tasks",
        "--cpu-list",
        "--pid",
        processors,
        &pid.to_string(),
    ]);
    let ran = taskset
        .output()
        .expect("taskset, of util-linux, is installed");
    assert!(ran.status.success(), "{ran:?}");
}

/// All processors.
pub(crate) fn all() -> String {
    let last = std::thread::available_parallelism().unwrap().get() - 1;
    format!("0-{last}")
}

/// A figure of `/proc/PID/status` in kilobytes.
pub(crate) fn kilobytes(pid: i32, key: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
