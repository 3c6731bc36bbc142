//! A hook that hears of warnings.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Home, binaries};

/// Configures a hook that adds each message to a file, one a line, and then runs `and`. Returns the file.
pub fn hook(home: &Home, and: &str) -> PathBuf {
    let (program, heard) = (home.path().join("page"), home.path().join("heard"));
    let heard_in = heard.display();
    let script = format!("cat >> {heard_in}; echo >> {heard_in}\n{and}");
    binaries::install_script(&program, &script);
    home.config(&format!("[warnings]\nhook = ['{}']\n", program.display()));
    heard
}

/// The warnings that the hook heard of, each as it was sent.
#[must_use]
pub fn heard(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .flat_map(|message| message["warnings"].as_array().unwrap().clone())
        .collect()
}
