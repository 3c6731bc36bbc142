//! `tokenctl secret move`.

use broker_protocol::names::SecretName;
use clap::Args;

#[derive(Args)]
pub(crate) struct SecretMove {
    /// Which secrets, one after the other
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<SecretName>,
    /// Where to: `vault`, `op://VAULT/ITEM/FIELD`, `keyring:NAME`, `file:PATH`, `env:NAME`; `{name}`
    /// stands for the secret's name
    #[arg(long, value_name = "PLACE", required_unless_present_any = ["finish", "back"])]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) how: HowToMove,
    #[command(flatten)]
    pub(crate) end: EndOfMove,
}

#[derive(Args)]
pub(crate) struct HowToMove {
    /// Read both places, say what would be done, and change nothing
    #[arg(long, requires = "to", conflicts_with_all = ["print", "replace"])]
    pub(crate) dry_run: bool,
    /// Replace another value in the new place; or, once policies name it, take it for the right one
    #[arg(long, requires = "to")]
    pub(crate) replace: bool,
    /// Print the line of the policy to change instead of changing it, and wait until it is in force
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Args)]
pub(crate) struct EndOfMove {
    /// Erase the old copy; there is no way back then
    #[arg(long, conflicts_with_all = ["to", "back", "print"])]
    pub(crate) finish: bool,
    /// Name the old place again; possible until --finish
    #[arg(long, conflicts_with = "to")]
    pub(crate) back: bool,
}

impl SecretMove {
    /// Back to the old place.
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

The value is read, written where the broker can write (vault, keyring, 1Password Connect) and compared;
then one line of the policy changes, and the policies are loaded. Leases go on all the while. Where only
a person can write, it says what to do: run the same command again, and it goes on; so it does after
an interruption. Where the new place does not give the value once policies name it, the line is changed
back. The old copy is the way back until --finish. No value is shown.

Exit codes: 0 done; 1 refused, or one of several was; 7 a source failed, run it again; 75 it waits for
you, and says for what.";
