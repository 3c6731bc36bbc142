//! The examples below the options in a help text. No line is longer than a terminal of 80 columns: commands are
//! copied from here.

pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 broker not reachable,
5 locked, 6 audit log not writable, 7 GitHub or a secret source failed,
8 verification failed, 75 try later or manual step required.";

pub(super) const GET_EXAMPLES: &str = "\
Examples:
  TOKEN=$(tokenctl get import)
  tokenctl get label-sync --repo acme/site --permission issues=read --ttl 5m

Put the token into a variable or a pipe, not onto a screen. For one command,
`tokenctl exec` is better: the lease is revoked when the command ends.

A purpose with deliver = \"proxy\", as is usual for a personal access token,
gives a token that works only through the broker: under `tokenctl exec`, or
over the broker's socket:
  TOKEN=$(tokenctl get label-sync)
  curl --unix-socket /run/tokend/proxy.sock -H \"Authorization: Bearer $TOKEN\" \\
    http://api.github.com/repos/acme/site/labels";

pub(super) const EXEC_EXAMPLES: &str = "\
Examples:
  tokenctl exec label-sync -- python3 sync_labels.py
  tokenctl exec label-sync --env ORG_LABEL_SYNC_TOKEN -- ./sync.sh --all
  tokenctl exec --env FROM=import --env TO=label-sync -- ./copy_labels.sh

PURPOSE sets GH_TOKEN and GITHUB_TOKEN, and each --env NAME. An --env with a
purpose of its own takes one lease more, which --repo, --org and --permission do
not narrow. Without PURPOSE each --env names one.

The command replaces tokenctl: same process, terminal, signals and exit code.
Exit code 125 if the tokens could not be obtained, 126 if the command cannot be
run, 127 if it does not exist. The leases are revoked when the command ends.
Request a --ttl as long as the command needs: only a token with
deliver = \"proxy\" is renewed while it is used.

For a purpose with deliver = \"proxy\" the command's HTTPS to GitHub is led to the
broker, by variables such as HTTPS_PROXY, SSL_CERT_FILE and GIT_CONFIG_COUNT.
gh, git, curl, Python, and Node from version 24 on read them. Either all
purposes of a command deliver \"proxy\", or none.";

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  tokenctl policy explain label-sync
  tokenctl policy explain label-sync --user alice --repo acme/site
  tokenctl policy explain label-sync --user alice --permission issues=write
  tokenctl policy explain label-sync --unit sync.service --request \"GET /user\"

The running broker is asked what it has loaded. That is for operators; for
others, and where no broker runs, the files on disk are explained, which need
not be what is in force.";

pub(super) const GIT_EXAMPLES: &str = "\
`tokenctl setup-git` writes git's configuration. By hand:
  git config --global credential.https://github.com.useHttpPath true
  git config --global credential.helper '!tokenctl git-credential'

With `useHttpPath` git names the repository, and the purpose that covers it is
chosen. If none does, or it delivers \"proxy\", git asks its next helper, unless
--strict. Every other failure stops git. Other hosts than github.com are left to
other helpers unless named; plain http only to a named host on this machine.";

pub(super) const SETUP_GIT_EXAMPLES: &str = "\
Examples:
  tokenctl setup-git --print
  tokenctl setup-git
  tokenctl setup-git --local --only --purpose import

For each owner that your purposes give `contents` of, git is to name the
repository and to ask tokenctl. This stands in a file of its own, which git's
configuration includes. Other helpers stay as they are; one that stands before
tokenctl is named. Run it again when purposes change.";

pub(super) const IMPORT_EXAMPLES: &str = "\
Examples:
  tokenctl import ~/.github-tokens --dry-run
  tokenctl import ~/.github-tokens --org acme
  tokenctl import ~/.github-tokens --org acme --allow alice

ORG_LABEL_SYNC_TOKEN becomes the secret `org-label-sync-token`. A proposed
purpose allows no one unless --allow names an account. The file is read, never
changed; a second run resumes where the first stopped.";

pub(super) const POLICY_NEW_EXAMPLES: &str = "\
Examples:
  tokenctl policy new site --secret site-token --repo acme/site \\
    --permission issues=write --permission contents=read --allow alice

The file is complete: edit it later, then run `tokenctl policy reload`. Without
--allow no one may use the purpose yet. If the broker refuses the file, it is
removed again. While no broker runs, `tokend policy check` decides.";

pub(super) const POLICY_ALLOW_EXAMPLES: &str = "\
Examples:
  tokenctl policy allow site --user alice
  tokenctl policy allow site --group developers
  tokenctl policy allow site --unit sync.service

The rule is added at the end of the file; all that is there stays as it is. The
first rule that matches a caller decides alone. If the broker refuses the file,
the rule is removed again. Exit code 75 if this account may not write the file:
then the lines to add are printed.";

pub(super) const SETUP_EXAMPLES: &str = "\
Examples:
  tokenctl setup
  tokenctl setup --import ~/.github-tokens
  tokenctl setup --yes --passphrase-file recovery --secret site-token \\
    --repo acme/site < value.txt

Each step shows the command that it runs: init, tokend, import or secret add,
policy new. What is there already is left alone. Without a terminal every
question needs its option. A value is never an argument.";

pub(super) const SECRET_EXAMPLES: &str = "\
Examples:
  tokenctl secret add source-pat --repository acme/one --rotate-every 90d
  tokenctl secret set source-pat --expires 2027-02-20 < value.txt
  tokenctl secret set source-pat --undo
  tokenctl secret add ci-token --source op://Github-Tokens/ci-token/credential

A value for the vault is asked for on the terminal or read from stdin; it is
never an argument. A byte order mark and one line end at its end are dropped.
With another --source, put the value there.";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  tokenctl secret check
  tokenctl secret check org-label-sync-token --json

Exit code 0 if all are as declared (warnings allowed), 1 if one is not, 7 if
GitHub did not answer: the earlier result is kept then. 75 if GitHub limits
requests: run it again later. What GitHub has no API for is shown as
`not proven`.";

pub(super) const REKEY_EXAMPLES: &str = "\
Examples:
  tokenctl rekey
  tokenctl rekey --root-key credential

No value is unsealed and no lease interrupted. If it is killed half-way, the
store opens with the old key or the new one: run it again. A recovery passphrase
keeps working and need not be typed. Make a new backup: older ones open with the
old key only. Exit code 75: manual step required, as printed.";

pub(super) const AUDIT_EXAMPLES: &str = "\
Examples:
  tokenctl audit verify
  tokenctl audit verify /var/lib/tokend/audit
  tokenctl audit verify 00000000000000000000.jsonl

Needs no broker and no key. It proves that no line was changed, removed, added
or moved since the head it prints. Keep that head elsewhere: a log that was cut
or rewritten as a whole still verifies.";

pub(super) const BACKUP_EXAMPLES: &str = "\
Examples:
  tokenctl backup tokend-2026-11-21.backup
  tokenctl backup nightly.backup --force --passphrase-file backup-passphrase
  tokenctl backup --verify tokend-2026-11-21.backup

The file contains the secrets, the root key, policies, configuration and the
head of the audit log. Only its passphrase protects it (at least 12 characters):
it is asked for twice on the terminal, or read from a file or stdin, without a
byte order mark and one line end; it is never an argument. An existing file is
replaced only with --force, and always as a whole. --verify proves that every
value in it opens: exit code 8 if not.";

pub(super) const LOCK_EXAMPLES: &str = "\
Examples:
  tokenctl lock
  tokenctl lock --revoke

Use --revoke when something has leaked: nothing is granted from that moment,
every live lease of every account is revoked, and installation tokens are
revoked at GitHub. A raw value cannot be revoked from here: it is named, with
the command that does it. Locking waits at most a second for disk and network,
and some seconds for GitHub after that. Exit code 75 if GitHub has not confirmed
everything: the rest is revoked after the next unlock.";

pub(super) const MOVE_EXAMPLES: &str = "\
Examples:
  tokenctl secret move org-label-sync-token \\
    --to op://Github-Tokens/org-label-sync-token/credential
  tokenctl secret move ci-token site-token \\
    --to 'op://Github-Tokens/{name}/credential'
  tokenctl secret move org-label-sync-token --back
  tokenctl secret move org-label-sync-token --finish

The value is read, written where the broker can write (vault, keyring, 1Password
Connect) and compared; then `source` in the policy file is changed and the
policies are loaded. Leases stay valid throughout. Where the broker cannot
write, the manual step is printed. The same command resumes, also after an
interruption. If the new source does not give the value once policies name it,
the edit is undone. The old copy is kept until --finish. No value is shown.

Exit codes: 0 done; 1 rejected, or one of several was; 7 a source failed, run it
again; 75 manual step required, as printed.";

pub(super) const ROTATE_EXAMPLES: &str = "\
Examples:
  tokenctl rotate org-label-sync-token
  tokenctl rotate org-label-sync-token --value-file - --revoke-after 1h < value
  tokenctl rotate org-label-sync-token --rollback

You create the new value at the link that is printed: GitHub has no API for
that. The broker checks it, uses it, writes it to the sinks, verifies it at
GitHub, and then revokes the old one. Interrupted anywhere, the same command
resumes. Until the old value is revoked, --rollback undoes all of it.

Exit codes: 0 done, or the broker does the rest by itself; 1 rejected; 7 GitHub
failed, run it again; 75 manual step required, as printed.";
