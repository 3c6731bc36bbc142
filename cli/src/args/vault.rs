//! `tokenctl unlock`, `rekey` and `backup`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args)]
pub(crate) struct Unlock {
    /// Ask for a passphrase (the recovery passphrase works too) even if the key is stored elsewhere
    #[arg(long)]
    pub(crate) passphrase: bool,
}

#[derive(Args)]
pub(crate) struct Rekey {
    /// Store the root key there from now on; default: where it is stored now
    #[arg(long, value_name = "WHERE", value_enum)]
    pub(crate) root_key: Option<RootKey>,
    /// Set a first recovery passphrase, or check that you know the current one
    #[arg(long)]
    pub(crate) recovery: bool,
}

/// Where a root key may be kept.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RootKey {
    /// The desktop's keyring
    Keyring,
    /// A key file beside the configuration
    File,
    /// A passphrase, typed after each start
    Passphrase,
    /// A systemd credential
    Credential,
}

#[derive(Args)]
pub(crate) struct Backup {
    /// The file to write, or `-` for stdout; or the file to verify
    pub(crate) file: PathBuf,
    /// Verify that this backup is complete; needs no broker and changes nothing
    #[arg(long, conflicts_with = "force")]
    pub(crate) verify: bool,
    /// Replace an existing regular file
    #[arg(long)]
    pub(crate) force: bool,
    /// Read the backup's passphrase from this file, or from stdin with `-`
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}
