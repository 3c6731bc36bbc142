//! A purpose that a rule allows this account.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use broker_protocol::api::{PurposeList, PurposeView, SecretView};
use broker_protocol::names::{Permissions, Purpose, RepoPattern, SecretName};
use broker_protocol::permissions;
use nix::unistd::geteuid;

use super::questions::words;
use super::{Steps, found, heading};
use crate::account;
use crate::args::permission;
use crate::commands::import::purpose_name;
use crate::commands::purpose::PURPOSES;
use crate::error::Failure;
use crate::policy_dir::PolicyDir;

impl Steps<'_> {
    /// The purpose to try: one that is there, or a new one.
    pub(super) fn purpose(&self, secrets: &[SecretView]) -> Result<PurposeView, Failure> {
        heading(4, "a purpose that you may use")?;
        self.load_policies()?;
        let all = self.purposes()?;
        let there = self.there(&all)?;
        if let Some(view) = there.filter(|view| view.rule.is_some()) {
            found(format_args!("the purpose {}", view.purpose))?;
            return Ok(view.clone());
        }
        let account = own_account()?;
        let purpose = match there {
            Some(PurposeView { purpose, .. }) => {
                let args = ["policy", "allow", purpose.as_str(), "--user", &account];
                self.tokenctl(args).run()?;
                purpose.clone()
            }
            None => self.new_purpose(&all, secrets, &account)?,
        };
        let allowed = |view: &PurposeView| view.purpose == purpose && view.rule.is_some();
        self.purposes()?.into_iter().find(allowed).ok_or_else(|| {
            Failure::with_hint(
                format!("no rule allows you the purpose `{purpose}` yet"),
                format!("`tokenctl policy explain {purpose} --user {account}` says why"),
            )
        })
    }

    fn purposes(&self) -> Result<Vec<PurposeView>, Failure> {
        let list: PurposeList = self.broker.read_list(PURPOSES)?;
        Ok(list.purposes)
    }

    /// The purpose that the options name; without a name, one that a rule allows us on that secret. It must
    /// be what the other options ask for.
    fn there<'v>(&self, all: &'v [PurposeView]) -> Result<Option<&'v PurposeView>, Failure> {
        let meant = |view: &&PurposeView| match &self.asked.purpose {
            Some(purpose) => view.purpose == *purpose,
            None => view.rule.is_some() && self.differs_in_secret(view).is_none(),
        };
        let mut first = None;
        for view in all.iter().filter(meant) {
            match self.differs(view) {
                None => return Ok(Some(view)),
                Some(option) => first = first.or(Some((view, option))),
            }
        }
        match first {
            Some((view, option)) => Err(self.is_another(view, option)),
            None => Ok(None),
        }
    }

    /// An option that asks for something else than the purpose has.
    fn differs(&self, view: &PurposeView) -> Option<&'static str> {
        let repositories = &self.asked.repositories;
        let same = repositories
            .iter()
            .all(|one| view.repositories.contains(one))
            && view
                .repositories
                .iter()
                .all(|one| repositories.contains(one));
        let permissions: Permissions = self.asked.permissions.iter().cloned().collect();
        let differs = [
            ("--repo", !repositories.is_empty() && !same),
            (
                "--permission",
                !permissions.is_empty() && permissions != view.permissions,
            ),
        ];
        let differs = differs.into_iter().find(|(_, differs)| *differs);
        self.differs_in_secret(view)
            .or_else(|| differs.map(|(option, _)| option))
    }

    fn differs_in_secret(&self, view: &PurposeView) -> Option<&'static str> {
        let other = self.asked.secret.as_ref()? != &view.secret;
        other.then_some("--secret")
    }

    /// A policy that is there is not edited here.
    fn is_another(&self, view: &PurposeView, option: &str) -> Failure {
        let policies = &self.broker.places.policies;
        let file = PolicyDir::read(policies).ok().and_then(|dir| {
            let file = dir.purpose(&view.purpose)?;
            Some(file.path.clone())
        });
        Failure::with_hint(
            format!(
                "the purpose `{}` exists already, and is not what {option} asks for; nothing was changed",
                view.purpose
            ),
            format!(
                "edit {} and run `tokenctl policy reload`, or write another purpose with `tokenctl policy new`",
                file.as_ref().unwrap_or(policies).display()
            ),
        )
    }

    /// Has a policy written that allows us a new purpose.
    fn new_purpose(
        &self,
        all: &[PurposeView],
        secrets: &[SecretView],
        account: &str,
    ) -> Result<Purpose, Failure> {
        let secret = self.secret(secrets)?;
        let name = match &self.asked.purpose {
            Some(name) => name.clone(),
            None => {
                let policies = &self.broker.places.policies;
                free_name(&secret.name, all, policies)?
            }
        };
        let repositories = self.repositories(secret)?;
        let permissions = self.permissions(secret)?;
        let mut args: Vec<OsString> = ["policy", "new", name.as_str(), "--secret"]
            .map(OsString::from)
            .to_vec();
        args.push(secret.name.as_str().into());
        for repository in &repositories {
            args.extend(["--repo".into(), repository.as_str().into()]);
        }
        for permission in &permissions {
            args.extend(["--permission".into(), permission.into()]);
        }
        args.extend(["--allow".into(), account.into()]);
        self.tokenctl(args).run()?;
        Ok(name)
    }

    fn secret<'s>(&self, secrets: &'s [SecretView]) -> Result<&'s SecretView, Failure> {
        let named = |name: &str| {
            let view = secrets.iter().find(|view| view.name.as_str() == name);
            view.ok_or_else(|| format!("no secret `{name}` has a value"))
        };
        let first = secrets.first().map(|view| view.name.as_str());
        match (&self.asked.secret, secrets) {
            (Some(name), _) => named(name.as_str()).map_err(Failure::Usage),
            (None, [only]) => Ok(only),
            (None, _) => self.questions.ask(
                "--secret NAME",
                "The token to try first (later: `tokenctl setup --secret NAME`)",
                first,
                named,
            ),
        }
    }

    fn repositories(&self, secret: &SecretView) -> Result<Vec<RepoPattern>, Failure> {
        if !self.asked.repositories.is_empty() {
            return Ok(self.asked.repositories.clone());
        }
        let login = secret
            .check
            .as_ref()
            .and_then(|check| check.login.as_deref());
        let all_of = login
            .or(secret.owner.as_deref())
            .map(|login| format!("{login}/*"));
        self.questions.ask(
            "--repo OWNER/NAME",
            "Repositories it is for (OWNER/NAME or OWNER/*)",
            all_of.as_deref(),
            |answer| words(answer, str::parse::<RepoPattern>),
        )
    }

    /// As they are typed.
    fn permissions(&self, secret: &SecretView) -> Result<Vec<String>, Failure> {
        let given = self.asked.permissions.iter();
        let given = given.map(|(name, level)| format!("{name}={level}"));
        let given: Vec<String> = given.collect();
        if !given.is_empty() {
            return Ok(given);
        }
        // An App's token cannot be asked for what the App does not have.
        let default = match secret.kind.as_deref() {
            Some("app") => "metadata=read",
            _ => "contents=read issues=read",
        };
        self.questions.ask(
            "--permission NAME=LEVEL",
            "Permissions it gives",
            Some(default),
            |answer| words(answer, typed_permission),
        )
    }
}

/// A permission that is asked for here is one that GitHub documents: a slip would end in its refusal.
fn typed_permission(word: &str) -> Result<String, String> {
    let (name, _) = permission(word)?;
    match permissions::odd(&name) {
        Some(why) => Err(format!(
            "{why}; if it is one, `tokenctl setup --permission {word}`"
        )),
        None => Ok(word.to_owned()),
    }
}

/// A name that no purpose has, and no file: one of a secret may be called so.
fn free_name(
    secret: &SecretName,
    all: &[PurposeView],
    policies: &Path,
) -> Result<Purpose, Failure> {
    let taken: BTreeSet<&str> = all.iter().map(|view| view.purpose.as_str()).collect();
    let name = purpose_name(secret);
    let name = name.as_ref().map_or("github", Purpose::as_str);
    let numbered = |number| match number {
        1 => name.to_owned(),
        number => format!("{name}-{number}"),
    };
    let is_free = |name: &String| {
        let file = policies.join(format!("{name}.toml"));
        !taken.contains(&**name) && file.symlink_metadata().is_err()
    };
    let free = (1..).map(numbered).find(is_free);
    let free = free.and_then(|name| name.parse().ok());
    free.ok_or_else(|| Failure::Usage("name the purpose with --purpose".to_owned()))
}

fn own_account() -> Result<String, Failure> {
    let uid = geteuid();
    match account::own_name() {
        Ok(Some(name)) => Ok(name),
        Ok(None) => Err(Failure::new(format!(
            "account {uid} has no name; write a policy with `caller = {{ uid = {uid} }}` by hand"
        ))),
        Err(errno) => Err(Failure::new(format!(
            "cannot look up the account {uid}: {errno}"
        ))),
    }
}
