//! A caller that someone describes instead of being it: for `policy explain`, which decides nothing.

use broker_policy::{Accounts, Caller, PolicySet};
use broker_protocol::api::ExplainedCaller;

use crate::accounts::SystemAccounts;
use crate::caller::{ProcEnv, of_running};

/// A caller, and what its account and its groups are called.
#[derive(Debug)]
pub(crate) struct Described {
    /// As rules see it.
    pub(crate) caller: Caller,
    /// Its account.
    pub(crate) account: String,
    /// Its groups.
    pub(crate) groups: String,
}

/// Why there is no such caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSuchCaller {
    /// A process has its own account, groups, units and program.
    #[error("`pid` is all of a caller; give nothing beside it, or describe the caller without it")]
    BesideProcess,
    /// The account twice.
    #[error("`user` and `uid` both name the account; give one of them")]
    TwoAccounts,
    /// No account of that name.
    #[error("there is no account `{0}`{1}")]
    User(String, &'static str),
    /// No account of that number.
    #[error("there is no account with the uid {0} on this machine")]
    Uid(u32),
    /// No group of that name.
    #[error("there is no group `{0}`{1}")]
    Group(String, &'static str),
    /// The process cannot be read.
    #[error("process {pid} cannot be read; is it still running?")]
    Process {
        /// Its number.
        pid: i32,
        /// Why.
        source: std::io::Error,
    },
}

/// Whose accounts a description may name.
#[derive(Clone, Copy)]
pub(crate) enum KnownAccounts<'a> {
    /// This machine's.
    OfThisMachine,
    /// Those that these policies name, too: they are another machine's. With the accounts they were read with.
    AndOfPolicies(&'a PolicySet, &'a dyn Accounts),
}

impl Described {
    /// This caller itself.
    pub(crate) fn itself(caller: Caller) -> Self {
        let account = describe_account(caller.uid);
        let groups = describe_groups(&caller);
        Self {
            caller,
            account,
            groups,
        }
    }

    /// The caller that is described. What it leaves open of its account is that of `own`. Blocks: the accounts may
    /// be a directory service's.
    ///
    /// # Errors
    ///
    /// [`NoSuchCaller`].
    pub(crate) fn of(
        who: &ExplainedCaller,
        own: &Caller,
        known: KnownAccounts<'_>,
    ) -> Result<Self, NoSuchCaller> {
        if let Some(pid) = who.pid {
            let alone = ExplainedCaller {
                pid: who.pid,
                ..ExplainedCaller::default()
            };
            if *who != alone {
                return Err(NoSuchCaller::BesideProcess);
            }
            let running = ProcEnv::read().and_then(|proc_env| of_running(pid, &proc_env));
            let unreadable = |source| NoSuchCaller::Process { pid, source };
            return running.map(Self::itself).map_err(unreadable);
        }
        let mut described = match (&who.user, who.uid) {
            (Some(_), Some(_)) => return Err(NoSuchCaller::TwoAccounts),
            (Some(name), None) => of_user(name, known)?,
            (None, Some(uid)) => of_uid(uid, known)?,
            (None, None) => {
                let account = Caller {
                    uid: own.uid,
                    gid: own.gid,
                    groups: own.groups.clone(),
                    subordinate_of: own.subordinate_of,
                    ..Caller::default()
                };
                Self::itself(account)
            }
        };
        for name in &who.groups {
            described.caller.groups.push(known.gid(name)?);
            if !described.groups.is_empty() {
                described.groups.push_str(", ");
            }
            described.groups.push_str(name);
        }
        let caller = &mut described.caller;
        caller.unit.clone_from(&who.unit);
        caller.user_unit.clone_from(&who.user_unit);
        caller.exe.clone_from(&who.exe);
        Ok(described)
    }
}

/// The account of this name. One of another machine's is called that.
fn of_user(name: &str, known: KnownAccounts<'_>) -> Result<Described, NoSuchCaller> {
    if let Some(uid) = SystemAccounts.uid(name) {
        return of_uid(uid, known);
    }
    let there = match known {
        KnownAccounts::OfThisMachine => None,
        KnownAccounts::AndOfPolicies(set, accounts) => {
            set.names_user(name).then(|| accounts.uid(name)).flatten()
        }
    };
    let uid =
        there.ok_or_else(|| NoSuchCaller::User(name.to_owned(), known.where_there_is_none()))?;
    let caller = Caller {
        uid,
        gid: uid,
        ..Caller::default()
    };
    Ok(Described {
        caller,
        account: format!("{name} (no account of this machine)"),
        groups: String::new(),
    })
}

fn of_uid(uid: u32, known: KnownAccounts<'_>) -> Result<Described, NoSuchCaller> {
    let (gid, groups) = match (SystemAccounts.groups_of(uid), known) {
        (Some(found), _) => found,
        (None, KnownAccounts::OfThisMachine) => return Err(NoSuchCaller::Uid(uid)),
        (None, KnownAccounts::AndOfPolicies(..)) => (uid, Vec::new()),
    };
    Ok(Described::itself(Caller {
        uid,
        gid,
        groups,
        ..Caller::default()
    }))
}

impl KnownAccounts<'_> {
    fn gid(self, name: &str) -> Result<u32, NoSuchCaller> {
        let there = || match self {
            Self::OfThisMachine => None,
            Self::AndOfPolicies(set, accounts) => {
                set.names_group(name).then(|| accounts.gid(name)).flatten()
            }
        };
        let gid = SystemAccounts.gid(name).or_else(there);
        gid.ok_or_else(|| NoSuchCaller::Group(name.to_owned(), self.where_there_is_none()))
    }

    const fn where_there_is_none(self) -> &'static str {
        match self {
            Self::OfThisMachine => " on this machine",
            Self::AndOfPolicies(..) => " on this machine, and no rule names one",
        }
    }
}

fn describe_account(uid: u32) -> String {
    match SystemAccounts.name_of(uid) {
        Some(name) => format!("{name} (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

fn describe_groups(caller: &Caller) -> String {
    let mut gids = vec![caller.gid];
    gids.extend(caller.groups.iter().filter(|gid| **gid != caller.gid));
    let name = |gid: u32| SystemAccounts.group_name_of(gid);
    let names = gids.into_iter();
    let names: Vec<_> = names
        .map(|gid| name(gid).unwrap_or_else(|| gid.to_string()))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use broker_policy::{Host, NamesOnly, PolicyFile};

    use super::*;

    fn own() -> Caller {
        Caller {
            uid: 0,
            gid: 0,
            groups: vec![0],
            unit: Some("shell.service".to_owned()),
            ..Caller::default()
        }
    }

    fn of(who: &ExplainedCaller) -> Result<Described, String> {
        let described = Described::of(who, &own(), KnownAccounts::OfThisMachine);
        described.map_err(|error| error.to_string())
    }

    #[test]
    fn without_an_account_it_is_the_one_that_asks_with_what_is_said_of_it() {
        let who = ExplainedCaller {
            unit: Some("sync.service".to_owned()),
            ..ExplainedCaller::default()
        };
        let described = of(&who).unwrap();
        assert_eq!(described.account, "root (uid 0)");
        assert_eq!(described.groups, "root");
        assert_eq!(described.caller.unit.as_deref(), Some("sync.service"));
        let nothing = of(&ExplainedCaller::default()).unwrap();
        assert_eq!((nothing.caller.uid, nothing.caller.unit), (0, None));
    }

    #[test]
    fn an_account_brings_its_groups_and_one_that_does_not_exist_is_refused() {
        let who = ExplainedCaller {
            user: Some("root".to_owned()),
            ..ExplainedCaller::default()
        };
        let root = of(&who).unwrap();
        assert_eq!((root.caller.uid, root.caller.gid), (0, 0));
        for (user, uid, group, why) in [
            (
                Some("no-such-account"),
                None,
                None,
                "there is no account `no-such-account` on this machine",
            ),
            (
                None,
                Some(4_000_000_001),
                None,
                "there is no account with the uid 4000000001 on this machine",
            ),
            (
                None,
                None,
                Some("no-such-group"),
                "there is no group `no-such-group` on this machine",
            ),
        ] {
            let who = ExplainedCaller {
                user: user.map(str::to_owned),
                uid,
                groups: group.map(str::to_owned).into_iter().collect(),
                ..ExplainedCaller::default()
            };
            assert_eq!(of(&who).unwrap_err(), why);
        }
        let gone = ExplainedCaller {
            pid: Some(i32::MAX),
            ..ExplainedCaller::default()
        };
        let why = of(&gone).unwrap_err();
        assert_eq!(
            why,
            "process 2147483647 cannot be read; is it still running?"
        );
    }

    #[test]
    fn a_caller_that_contradicts_itself_is_refused() {
        let process = || ExplainedCaller {
            pid: Some(1),
            ..ExplainedCaller::default()
        };
        let text = || Some("root".to_owned());
        for beside in [
            ExplainedCaller {
                user: text(),
                ..process()
            },
            ExplainedCaller {
                uid: Some(0),
                ..process()
            },
            ExplainedCaller {
                groups: vec!["root".to_owned()],
                ..process()
            },
            ExplainedCaller {
                unit: text(),
                ..process()
            },
            ExplainedCaller {
                user_unit: text(),
                ..process()
            },
            ExplainedCaller {
                exe: text(),
                ..process()
            },
        ] {
            assert_eq!(
                of(&beside).unwrap_err(),
                "`pid` is all of a caller; give nothing beside it, or describe the caller without it"
            );
        }
        let twice = ExplainedCaller {
            user: text(),
            uid: Some(0),
            ..ExplainedCaller::default()
        };
        assert_eq!(
            of(&twice).unwrap_err(),
            "`user` and `uid` both name the account; give one of them"
        );
    }

    #[test]
    fn policies_for_another_machine_may_name_accounts_that_only_they_name() {
        let text = "purpose = 'p'\nsecret = 'bot'\nrepositories = ['acme/*']\n\
                    permissions = { issues = 'read' }\n\
                    [[allow]]\ncaller = { user = 'deploy-of-acme', group = 'of-acme' }\n";
        let file = |name: &str, text: &str| PolicyFile {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        let secret = "[secret.bot]\nkind = 'classic'\n";
        let files = [file("p.toml", text), file("s.toml", secret)];
        let names = NamesOnly::default();
        let set = PolicySet::parse(&files, &names, &Host::anywhere()).unwrap();
        let known = KnownAccounts::AndOfPolicies(&set, &names);
        let described = |user: &str| {
            let who = ExplainedCaller {
                user: Some(user.to_owned()),
                groups: vec!["of-acme".to_owned()],
                ..ExplainedCaller::default()
            };
            Described::of(&who, &own(), known)
        };
        let there = described("deploy-of-acme").unwrap();
        assert_eq!(there.account, "deploy-of-acme (no account of this machine)");
        assert_eq!(there.groups, "of-acme");
        let purpose = set.purpose(&"p".parse().unwrap()).unwrap();
        assert!(purpose.rule_for(&there.caller).is_some());
        assert_eq!(
            described("deploy-of-acne").unwrap_err().to_string(),
            "there is no account `deploy-of-acne` on this machine, and no rule names one"
        );
    }
}
