//! `search`: words and qualifiers, `repo:acme/site is:open is:pr`.

use super::super::super::issues::Issue;
use super::super::super::state::{Repository, State};
use super::super::arguments::Arguments;
use super::super::call::Call;
use super::super::found::{Found, count};
use super::super::thing::Thing;

pub(super) fn search(call: &Call<'_>, arguments: &Arguments) -> Found {
    let state = call.state();
    let text = arguments.text("query").unwrap_or_default();
    let caller = call.login();
    let words = text.split_whitespace();
    let words: Vec<String> = words
        .map(|word| word.replace('"', "").replace(":@me", &format!(":{caller}")))
        .collect();
    let kind = arguments.text("type").unwrap_or_default();
    let all: Vec<Thing> = match kind {
        "ISSUE" | "ISSUE_ADVANCED" => {
            let issues = state.issues.values().rev();
            let issues =
                issues.filter(|issue| words.iter().all(|word| issue_is(&state, issue, word)));
            issues.map(|issue| Thing::Issue(issue.id)).collect()
        }
        "REPOSITORY" => {
            let all = state.repositories.values();
            let all = all.filter(|one| words.iter().all(|word| repository_is(one, word)));
            all.map(|one| Thing::Repository(one.id)).collect()
        }
        "USER" => {
            let all = state.accounts.values();
            let all = all.filter(|one| words.iter().all(|word| one.login.contains(word.as_str())));
            all.map(|one| Thing::Account(one.login.clone())).collect()
        }
        _ => Vec::new(),
    };
    let all: Vec<Thing> = all
        .into_iter()
        .filter(|thing| state.sees(call.who, thing))
        .collect();
    let of = |wanted: &str| {
        count(if kind.starts_with(wanted) {
            all.len()
        } else {
            0
        })
    };
    let counts = vec![
        ("issueCount", of("ISSUE")),
        ("repositoryCount", of("REPOSITORY")),
        ("userCount", of("USER")),
    ];
    Found::Page(all, counts)
}

fn issue_is(state: &State, issue: &Issue, word: &str) -> bool {
    let repository = &state.repositories[&issue.repository];
    let Some((name, value)) = word.split_once(':') else {
        return issue.title.to_lowercase().contains(&word.to_lowercase());
    };
    match (name, value) {
        ("is" | "type", "issue") => issue.pull.is_none(),
        ("is" | "type", "pr") => issue.pull.is_some(),
        ("is" | "state", "open") => issue.state() == "OPEN",
        ("is" | "state", "closed") => issue.state() != "OPEN",
        ("is" | "state", "merged") => issue.state() == "MERGED",
        ("author", login) => issue.by.eq_ignore_ascii_case(login),
        ("assignee", login) => issue.assignees.contains(login),
        ("label", label) => {
            let mut labels = repository.labels.iter();
            labels.any(|(name, one)| {
                name.eq_ignore_ascii_case(label) && issue.labels.contains(&one.id)
            })
        }
        ("head", branch) => issue
            .pull
            .as_ref()
            .is_some_and(|pull| pull.head.1 == branch),
        ("base", branch) => issue.pull.as_ref().is_some_and(|pull| pull.base == branch),
        ("sort" | "in", _) => true,
        _ => repository_is(repository, word),
    }
}

fn repository_is(repository: &Repository, word: &str) -> bool {
    match word.split_once(':') {
        None => repository.name.contains(word),
        Some(("repo", full_name)) => repository.full_name().eq_ignore_ascii_case(full_name),
        Some(("org" | "user" | "owner", login)) => repository.owner.eq_ignore_ascii_case(login),
        Some(("is", "private")) => repository.private,
        Some(("is", "public")) => !repository.private,
        Some(("fork" | "sort" | "archived" | "in", _)) => true,
        Some(_) => false,
    }
}
