//! `setup-git`: writes the configuration with which git asks `git-credential`.
//!
//! Everything stands in a file of its own, `tokend.gitconfig`, which git's configuration includes by one line. So what
//! was written is known exactly: it can be compared, replaced and removed, and whatever else git's configuration
//! holds stays as it is.
//!
//! For each owner whose repositories a purpose of the caller's covers, git is to name the repository and to ask
//! `tokenctl`. Not for all of GitHub: then git would name repositories to every other helper too, and those that
//! know a login for the whole host would not find it.
//!
//! git asks helpers in the order in which they stand in its configuration, however narrow their sections are, and
//! hands each of them a login that worked, to store. So other helpers are reported (`others`).
//!
//! The file is written before the line that includes it, and the line is removed before the file: what is interrupted
//! between the two has no effect on git, and the next run goes on from there.

mod git;
mod included;
mod others;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::PathBuf;

use broker_protocol::api::{PurposeList, PurposeView};

use self::git::Git;
use self::included::Included;
use crate::args::{Global, SetupGit};
use crate::commands::git_credential::gives_contents;
use crate::commands::proxy;
use crate::commands::purpose::PURPOSES;
use crate::error::Failure;
use crate::shell;
use crate::ui;

pub(crate) fn run(global: Global, asked: &SetupGit) -> Result<(), Failure> {
    let git = Git::find(asked.local)?;
    if asked.remove {
        return remove(&git);
    }
    let helper = helper(&global, asked)?;
    let list: PurposeList = super::find(global)?.read_list(PURPOSES)?;
    let covered = covered(&list.purposes, asked)?;
    let spelled = spelled(covered, &asked.owners)?;
    let included = Included {
        owners: spelled,
        helper,
        only: asked.only,
    };
    let changed = write(&git, &included, asked.print)?;
    if !changed {
        ui::line("nothing to change")?;
    }
    others::report(&git.entries()?, &included);
    Ok(())
}

/// Writes what is missing. Returns whether anything was.
fn write(git: &Git, included: &Included, print: bool) -> Result<bool, Failure> {
    let text = included.text();
    let place = git.place().display();
    let is_current = git.included()?.as_deref() == Some(&*text);
    if !is_current {
        let verb = if print { "would write" } else { "wrote" };
        if !print {
            git.write(&text)?;
        }
        ui::line(format_args!("{verb} {place}:"))?;
        for line in text.lines() {
            ui::bytes(format!("    {}\n", line.replace('\t', "    ")).as_bytes())?;
        }
    }
    let hint = "fix that, and run this again: it continues";
    let includes = git.includes().map_err(hinted(hint))?;
    if !includes {
        let verb = if print { "would run" } else { "ran" };
        let command = if print {
            git.include_command()
        } else {
            git.include()?
        };
        ui::line(format_args!("{verb} {command}"))?;
    }
    Ok(!is_current || !includes)
}

/// Takes back what was written.
fn remove(git: &Git) -> Result<(), Failure> {
    let has_file = git.included()?.is_some();
    if has_file && git.includes().is_err_and(|error| git.names_file(&error)) {
        // With that file git reads nothing at all; one that is missing it leaves out.
        delete(git)?;
        let hint = "nothing else was changed: fix that, and run this again";
        return exclude(git, hint).map(drop);
    }
    let hint = "nothing was changed: fix that, and run this again";
    let excluded = exclude(git, hint)?;
    if has_file {
        delete(git)?;
    }
    if !excluded && !has_file {
        ui::line("nothing to remove")?;
    }
    Ok(())
}

/// Makes git include the file no more. Returns whether it did.
fn exclude(git: &Git, hint: &str) -> Result<bool, Failure> {
    let includes = git.includes().map_err(hinted(hint))?;
    if includes {
        ui::line(format_args!("ran {}", git.exclude()?))?;
    }
    Ok(includes)
}

fn delete(git: &Git) -> Result<(), Failure> {
    git.delete()?;
    ui::line(format_args!("removed {}", git.place().display()))
}

/// Adds what to do to what git says of a configuration that it cannot read: that names file and line.
fn hinted(hint: &str) -> impl Fn(Failure) -> Failure {
    move |failure| Failure::with_hint(failure.to_string(), hint)
}

/// The helper as git runs it, by the path of this very program and with the places that were named.
fn helper(global: &Global, asked: &SetupGit) -> Result<String, Failure> {
    let unknown = |error| Failure::new(format!("cannot find the path of tokenctl: {error}"));
    let mut words = vec![env::current_exe().map_err(unknown)?];
    for (option, place) in [("--config", &global.config), ("--socket", &global.socket)] {
        if let Some(place) = place {
            let place = std::path::absolute(place).map_err(Failure::file("find", place))?;
            words.extend([option.into(), place]);
        }
    }
    words.push("git-credential".into());
    if let Some(purpose) = &asked.purpose {
        words.extend(["--purpose".into(), purpose.as_str().into()]);
    }
    // git's configuration has no way to write some of these, and would not be read any more.
    let plain = |word: &PathBuf| {
        let text = word
            .to_str()
            .filter(|text| !text.contains(char::is_control));
        text.map(shell::quoted)
    };
    let quoted: Option<Vec<String>> = words.iter().map(plain).collect();
    let quoted = quoted.ok_or_else(|| {
        Failure::new(
            "a path of tokenctl or of its options has a control character, or is not UTF-8 text",
        )
    })?;
    Ok(format!("!{}", quoted.join(" ")))
}

/// Below each address, the owners that the caller's purposes give contents of.
type Owners = BTreeMap<String, BTreeSet<String>>;

fn covered(purposes: &[PurposeView], asked: &SetupGit) -> Result<Owners, Failure> {
    let wanted = |view: &&PurposeView| match &asked.purpose {
        Some(purpose) => view.purpose == *purpose,
        None => true,
    };
    let giving: Vec<_> = purposes
        .iter()
        .filter(wanted)
        .filter(|view| gives_contents(view) && !view.repositories.is_empty())
        .collect();
    let mut owners = Owners::new();
    for view in giving.iter().filter(|view| !proxy::is_delivered(view)) {
        let address = view.git.as_deref().unwrap_or("https://github.com");
        let below = owners.entry(address.to_owned()).or_default();
        below.extend(view.repositories.iter().map(|one| one.owner().to_owned()));
    }
    match (owners.is_empty(), &*giving, &asked.purpose) {
        (false, _, _) => Ok(owners),
        (true, [view, ..], _) => Err(Failure::with_hint(
            format!(
                "`{0}` delivers a proxy token, which GitHub does not know",
                view.purpose
            ),
            format!(
                "run git under it: `tokenctl exec {} -- git …`",
                view.purpose
            ),
        )),
        (true, [], Some(purpose)) => Err(Failure::with_hint(
            format!("purpose `{purpose}` does not give you the contents of a repository"),
            "`tokenctl purpose list` shows those you have",
        )),
        (true, [], None) => Err(Failure::with_hint(
            "no purpose gives you the contents of a repository",
            "`tokenctl purpose list` shows those you have",
        )),
    }
}

/// Adds the owners in the spelling of the URLs.
fn spelled(mut owners: Owners, named: &[String]) -> Result<Owners, Failure> {
    for name in named {
        let below: Vec<_> = owners
            .values_mut()
            .filter(|owners| owners.contains(&name.to_ascii_lowercase()))
            .collect();
        if below.is_empty() {
            return Err(Failure::with_hint(
                format!("no purpose gives you the contents of a repository of `{name}`"),
                "`tokenctl purpose list` shows those you have",
            ));
        }
        for owners in below {
            owners.insert(name.clone());
        }
    }
    Ok(owners)
}
