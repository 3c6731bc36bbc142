//! `tokenctl secret move`.

use broker_protocol::names::SecretName;
use clap::Args;

#[derive(Args)]
pub(crate) struct SecretMove {
    /// The secrets, moved one after the other
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<SecretName>,
    /// The new source, in one of the forms below; `{name}` stands for the secret's name
    #[arg(long, value_name = "PLACE", required_unless_present_any = ["finish", "back"])]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) how: HowToMove,
    #[command(flatten)]
    pub(crate) end: EndOfMove,
}

#[derive(Args)]
pub(crate) struct HowToMove {
    /// Read both sources, show what would be done, and change nothing
    #[arg(long, requires = "to", conflicts_with_all = ["print", "replace"])]
    pub(crate) dry_run: bool,
    /// Overwrite a different value in the new source; or, once policies name that source, accept it
    #[arg(long, requires = "to")]
    pub(crate) replace: bool,
    /// Print the policy edit instead of making it, and wait until it is in force
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Args)]
pub(crate) struct EndOfMove {
    /// Erase the old copy; after that there is no way back
    #[arg(long, conflicts_with_all = ["to", "back", "print"])]
    pub(crate) finish: bool,
    /// Go back to the old source; possible until --finish
    #[arg(long, conflicts_with = "to")]
    pub(crate) back: bool,
}

impl SecretMove {
    /// The command that goes back to the old source.
    pub(crate) fn back(name: &SecretName) -> Self {
        Self {
            names: vec![name.clone()],
            to: None,
            how: HowToMove {
                dry_run: false,
                replace: false,
                print: false,
            },
            end: EndOfMove {
                finish: false,
                back: true,
            },
        }
    }
}

pub(super) const MOVE_EXAMPLES: &str = "\
Examples:
  tokenctl secret move org-label-sync-token --to op://Github-Tokens/org-label-sync-token/credential
  tokenctl secret move ci-token site-token --to 'op://Github-Tokens/{name}/credential'
  tokenctl secret move org-label-sync-token --back
  tokenctl secret move org-label-sync-token --finish

The value is read, written where the broker can write (vault, keyring, 1Password Connect) and
compared; then `source` in the policy file is changed and the policies are loaded. Leases stay valid
throughout. Where the broker cannot write, the manual step is printed. The same command resumes, also
after an interruption. If the new source does not give the value once policies name it, the edit is
undone. The old copy is kept until --finish. No value is shown.

Exit codes: 0 done; 1 rejected, or one of several was; 7 a source failed, run it again; 75 manual step
required, as printed.";
