//! What stands below the options in a help text.

pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 broker not reachable, 5 locked, 6 audit log not
writable, 7 GitHub or a secret source failed, 8 verification failed, 75 try later.";

pub(super) const GET_EXAMPLES: &str = "\
Examples:
  curl -H \"Authorization: Bearer $(tokenctl get label-sync)\" https://api.github.com/user
  tokenctl get label-sync --repo acme/site --permission issues=read --ttl 5m --reason nightly

The token goes into a variable or a pipe, not onto a screen. For one command, `tokenctl exec` is
better: the lease ends with the command.";

pub(super) const EXEC_EXAMPLES: &str = "\
Examples:
  tokenctl exec label-sync -- python3 sync_labels.py
  tokenctl exec label-sync --env ORG_LABEL_SYNC_TOKEN -- ./sync.sh --all

The command takes the place of tokenctl: same process, terminal, signals and exit code. Exit code 125
if the token could not be had, 126 if the command cannot be run, 127 if there is none.";

pub(super) const GIT_EXAMPLES: &str = "\
Set up:
  git config --global credential.helper '!tokenctl git-credential'
  git config credential.helper '!tokenctl git-credential --purpose label-sync'

With `credential.useHttpPath` set to true, git names the repository, and a purpose that covers it is
chosen. Other hosts than github.com are left to other helpers unless named; plain http only to a
named host on this machine.";

pub(super) const IMPORT_EXAMPLES: &str = "\
Examples:
  tokenctl import ~/.github-tokens --dry-run
  tokenctl import ~/.github-tokens --org acme

ORG_LABEL_SYNC_TOKEN becomes the secret `org-label-sync-token`. A proposed purpose allows nobody
until you add an [[allow]] to it. The file is read, never changed; a second run goes on where the
first stopped.";

pub(super) const SECRET_EXAMPLES: &str = "\
Examples:
  tokenctl secret add source-pat --kind fine-grained --repository acme/one --rotate-every 90d
  tokenctl secret set source-pat --expires 2027-02-20 < value.txt
  tokenctl secret set source-pat --undo
  tokenctl secret add ci-token --kind classic --source op://Github-Tokens/ci-token/credential

A value for the vault is asked for on the terminal or read from stdin; it is never an argument. A byte
order mark and one line end at its end are dropped. With another --source the value is put there, not here.";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  tokenctl secret check
  tokenctl secret check org-label-sync-token --json

Exit code 0 if all are as declared (warnings allowed), 1 if one is not, 7 if GitHub did not answer: then
what was known before stays. What GitHub cannot be asked is called `not proven`.";

pub(super) const REKEY_EXAMPLES: &str = "\
Examples:
  tokenctl rekey
  tokenctl rekey --root-key credential

No value is opened and no lease interrupted. Killed half-way, the store opens as before or with the new
key; run it again. A recovery passphrase goes on opening it, and need not be typed. Backups from before
open only with the key from before: make a new one. Exit code 75: it is your turn, and it said what to do.";

pub(super) const AUDIT_EXAMPLES: &str = "\
Examples:
  tokenctl audit verify
  tokenctl audit verify /var/lib/tokend/audit
  tokenctl audit verify 00000000000000000000.jsonl

Needs no broker and no key. It proves that no line was changed, removed, added or moved since the
head it prints. Keep that head elsewhere: a log that was cut or rewritten as a whole still verifies.";

pub(super) const BACKUP_EXAMPLES: &str = "\
Examples:
  tokenctl backup tokend-2026-11-21.backup
  tokenctl backup nightly.backup --force --passphrase-file backup-passphrase
  tokenctl backup --verify tokend-2026-11-21.backup

The file holds the secrets and the root key, policies, configuration and the head of the audit log.
Its passphrase, at least 12 characters, is all that protects it: it is asked for twice on the terminal,
or read from a file or stdin, less one line end (LF or CRLF) and a byte order mark; it is never an argument. Nothing is written
over without --force, and what is written is whole or not there. --verify proves that every value in it
opens: exit code 8 if not.";

pub(super) const LOCK_EXAMPLES: &str = "\
Examples:
  tokenctl lock
  tokenctl lock --revoke

With --revoke, for when something has leaked: nothing is granted from that moment, every live lease of
every account ends, and installation tokens are ended at GitHub. A raw value cannot be ended from here:
it is named, with the command that takes it away. The lock waits for no disk and no network for longer
than a second; GitHub is waited for some seconds after it. Exit code 75 if GitHub has not confirmed every
end: the rest is ended after the next unlock.";
