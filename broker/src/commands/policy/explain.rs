//! `tokend policy explain`: which rule speaks for a caller, and what each other one missed.

use std::io::{self, Write};

use broker_policy::reach::Scope;
use broker_policy::reach::git::{GitRequest, NotGit};
use broker_policy::{
    Accounts, Caller, Missed, NamesOnly, PolicySet, PurposePolicy, Rule, RuleExplained,
    UNKNOWN_ACCOUNT,
};
use broker_protocol::duration;
use broker_protocol::names::{Delivery, Purpose, SecretName};
use clap::Args;

use super::{RequestLine, Where, failed};
use crate::accounts::SystemAccounts;
use crate::policy_files;

/// A caller: a running process, or one made up from attributes.
#[derive(Debug, Clone, Default, Args)]
pub struct WhoArgs {
    /// A running process, as the broker would see it
    #[arg(long, conflicts_with_all = ["user", "uid", "group", "unit", "user_unit", "exe"])]
    pub pid: Option<i32>,
    /// The account, by name, with its groups
    #[arg(long, conflicts_with = "uid")]
    pub user: Option<String>,
    /// The account, by number, with its groups
    #[arg(long)]
    pub uid: Option<u32>,
    /// A group to be in besides; may be repeated
    #[arg(long)]
    pub group: Vec<String>,
    /// The system unit
    #[arg(long)]
    pub unit: Option<String>,
    /// The unit of the account's own manager
    #[arg(long)]
    pub user_unit: Option<String>,
    /// The program, by its canonical path
    #[arg(long)]
    pub exe: Option<String>,
}

/// Says which rule speaks for a caller, and whether what it gives is enough for a request to GitHub.
///
/// # Errors
///
/// Only if `out` cannot be written.
pub fn explain(
    at: Where<'_>,
    (purpose, request): (&Purpose, Option<&RequestLine>),
    caller: &Caller,
    accounts: &dyn Accounts,
    out: &mut dyn Write,
) -> io::Result<u8> {
    let files = match policy_files::read(at.dir(), None) {
        Ok(files) => files,
        Err(error) => return failed(out, &[error]),
    };
    let set = match PolicySet::parse(&files.policies, accounts, &at.host()) {
        Ok(set) => set,
        Err(errors) => return failed(out, errors.all()),
    };
    let found = set.purpose(purpose).zip(set.explain(purpose, caller));
    let Some((policy, rules)) = found else {
        return failed(out, &[format!("there is no purpose `{purpose}`")]);
    };
    writeln!(out, "{purpose} for {}", describe(caller))?;
    let speaks = write_explanation(policy, &rules, out)?;
    if let Some(request) = request {
        write_request(request, policy, speaks, out)?;
    }
    Ok(0)
}

/// Returns the rule that speaks.
fn write_explanation<'p>(
    policy: &PurposePolicy,
    rules: &[RuleExplained<'p>],
    out: &mut dyn Write,
) -> io::Result<Option<&'p Rule>> {
    let mut speaks: Option<&Rule> = None;
    for RuleExplained { rule, missed } in rules {
        let says = if missed.is_empty() && speaks.is_some() {
            "would match, but an earlier rule decides".to_owned()
        } else if missed.is_empty() {
            speaks = Some(rule);
            "speaks".to_owned()
        } else {
            let missed: Vec<_> = missed.iter().map(difference).collect();
            format!("misses: {}", missed.join("; "))
        };
        let line = rule.place.line;
        writeln!(out, "  {} (line {line}) {says}", rule.terms.rule)?;
    }
    match speaks {
        Some(rule) => writeln!(out, "gives {}", gives(policy, rule))?,
        None if rules.is_empty() => writeln!(
            out,
            "denied: the purpose has no `[[allow]]`, so no one may use it"
        )?,
        None => writeln!(out, "denied: no rule matches")?,
    }
    Ok(speaks)
}

fn write_request(
    request: &RequestLine,
    policy: &PurposePolicy,
    rule: Option<&Rule>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if let Some(found) = request.git() {
        let public = policy.public && request.is_public_read(&found);
        let public = public.then_some(PUBLIC);
        return write_git(found, rule, public, out);
    }
    if request.is_graphql() {
        return writeln!(
            out,
            "GraphQL says in its body what it needs, field by field: send it under a lease, and a refusal names the \
             permission and the line"
        );
    }
    let needs = match request.needs(policy.paths()) {
        Ok(needs) => needs,
        Err(refusal) => {
            let why = rule.and_then(|rule| with_the_line(request, policy, rule));
            let why = why.unwrap_or_else(|| refusal.to_string());
            return writeln!(out, "the request is refused whatever a rule gives: {why}");
        }
    };
    for need in &needs {
        writeln!(out, "{need}")?;
    }
    let Some(rule) = rule else { return Ok(()) };
    let scope = Scope::of(&rule.terms, policy.paths());
    match needs
        .iter()
        .find_map(|need| need.beyond(&scope, "the rule"))
    {
        Some(beyond) => writeln!(out, "the rule does not give that: {beyond}"),
        None => writeln!(out, "the rule gives that"),
    }
}

const PUBLIC: &str =
    "the purpose is `public`: under a lease, the request goes on without any credential";

/// `public` is what to say where the lease need not hold the request.
fn write_git(
    found: Result<GitRequest, NotGit>,
    rule: Option<&Rule>,
    public: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let git = match (found, public) {
        (Ok(git), _) => git,
        (Err(_), Some(public)) => return writeln!(out, "{public}"),
        (Err(no_git), None) => {
            return writeln!(
                out,
                "the request is refused whatever a rule gives: {no_git}"
            );
        }
    };
    writeln!(out, "{git}")?;
    let Some(rule) = rule else { return Ok(()) };
    let Some(beyond) = git.beyond(&Scope::of(&rule.terms, &[]), "the rule") else {
        return writeln!(out, "the rule gives that");
    };
    writeln!(out, "the rule does not give that: {beyond}")?;
    match public {
        Some(public) => writeln!(out, "{public}"),
        None => Ok(()),
    }
}

/// Why it is refused, with the line of the purpose that would allow it, if one would.
fn with_the_line(request: &RequestLine, policy: &PurposePolicy, rule: &Rule) -> Option<String> {
    if rule.terms.deliver != Delivery::Proxy {
        return None;
    }
    let refused = request.allow(&Scope::of(&rule.terms, policy.paths()));
    let refused = refused.err().filter(|refused| refused.unlisted().is_some());
    refused.map(|refused| refused.to_string())
}

fn difference(missed: &Missed) -> String {
    let Missed {
        attribute,
        wanted,
        has,
    } = missed;
    match has {
        Some(has) => format!("{attribute} must be {wanted}, the caller has {has}"),
        None => format!("{attribute} must be {wanted}, the caller's is unknown"),
    }
}

fn gives(policy: &PurposePolicy, rule: &Rule) -> String {
    let terms = &rule.terms;
    let mut parts = Vec::new();
    if !terms.repositories.is_empty() {
        let list: Vec<_> = terms.repositories.iter().map(ToString::to_string).collect();
        parts.push(format!("repositories {}", list.join(", ")));
    }
    if let Some(organization) = &terms.organization {
        parts.push(format!("organisation {organization}"));
    }
    let pairs = terms.permissions.iter();
    let pairs: Vec<_> = pairs
        .map(|(name, level)| format!("{name}: {}", level.as_str()))
        .collect();
    parts.push(format!("permissions {}", pairs.join(", ")));
    let (ttl, max) = (duration::format(terms.ttl), duration::format(terms.ttl_max));
    parts.push(format!("for {ttl}, at most {max}"));
    parts.push(format!("as {}", delivered(terms.deliver, &terms.secret)));
    if let Some(fallback) = &terms.fallback {
        parts.push(format!(
            "where `{}` is missing, expired or not installed there, as {}",
            terms.secret,
            delivered(fallback.deliver, &fallback.secret)
        ));
    }
    if let Some(budget) = policy.budget {
        parts.push(format!("budget {budget}"));
    }
    if !policy.paths().is_empty() {
        let paths: Vec<_> = policy.paths().iter().map(ToString::to_string).collect();
        parts.push(format!("besides {}", paths.join(", ")));
    }
    if policy.public {
        parts.push("reads on the web host besides, without any credential".to_owned());
    }
    parts.join("; ")
}

fn delivered(deliver: Delivery, secret: &SecretName) -> String {
    match deliver {
        Delivery::Raw => format!("the stored token `{secret}` itself"),
        Delivery::Proxy => format!("a proxy token for `{secret}`"),
        Delivery::Installation => format!("an installation token of `{secret}`"),
    }
}

fn describe(caller: &Caller) -> String {
    let mut parts = Vec::new();
    if caller.uid == UNKNOWN_ACCOUNT {
        parts.push("a caller with an unknown account".to_owned());
    } else {
        parts.push(format!("uid {}", caller.uid));
    }
    if caller.gid != UNKNOWN_ACCOUNT {
        parts.push(format!("gid {}", caller.gid));
    }
    let known = [
        ("unit", &caller.unit),
        ("user_unit", &caller.user_unit),
        ("exe", &caller.exe),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            parts.push(format!("{name} {value}"));
        }
    }
    parts.join(", ")
}

impl WhoArgs {
    /// The caller these attributes describe; `--pid` is ignored. An account that exists here
    /// brings its groups.
    #[must_use]
    pub fn caller(&self, accounts: &ExplainAccounts) -> Caller {
        let uid = self.uid.or_else(|| accounts.uid(self.user.as_ref()?));
        let uid = uid.unwrap_or(UNKNOWN_ACCOUNT);
        let (gid, mut groups) = SystemAccounts
            .groups_of(uid)
            .unwrap_or_else(|| (UNKNOWN_ACCOUNT, Vec::new()));
        groups.extend(self.group.iter().filter_map(|name| accounts.gid(name)));
        Caller {
            uid,
            gid,
            groups,
            unit: self.unit.clone(),
            user_unit: self.user_unit.clone(),
            exe: self.exe.clone(),
            ..Caller::default()
        }
    }
}

/// The accounts of this machine and, for a name it does not have, an account made up for the
/// occasion: `explain` is of use also where the policy's accounts are not.
#[derive(Debug, Default)]
pub struct ExplainAccounts {
    names: NamesOnly,
}

impl Accounts for ExplainAccounts {
    fn uid(&self, user: &str) -> Option<u32> {
        SystemAccounts.uid(user).or_else(|| self.names.uid(user))
    }

    fn gid(&self, group: &str) -> Option<u32> {
        SystemAccounts.gid(group).or_else(|| self.names.gid(group))
    }
}
