//! Why a configuration was rejected, where, and what to do.

use std::io;
use std::path::PathBuf;

/// Why a configuration was rejected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file exists and cannot be read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Someone else may write the file, and make themselves an operator.
    #[error(
        "{}: group or others may write it, who could make themselves operators; run `chmod go-w {}`",
        .0.display(), .0.display()
    )]
    Exposed(PathBuf),
    /// The file is another account's, who could make themselves an operator.
    #[error(
        "{}: belongs to uid {owner}; it must be root's or the broker's own: chown {own} {}",
        path.display(), path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        own: u32,
    },
    /// The file's text is rejected.
    #[error("{}:{line}: {message}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong and what would be right.
        message: String,
    },
}
