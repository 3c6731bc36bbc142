//! Fields of refs, commits, folders and files.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::super::super::git::Commit;
use super::super::super::routes::hex;
use super::super::super::state::Repository;
use super::super::arguments::Arguments;
use super::super::call::Call;
use super::super::found::{Found, count, leaf, maybe, page, time};
use super::super::thing::Thing;
use super::user_of;

/// What `Repository.object` finds: a commit by its id, or `REV:PATH`.
pub(super) fn object(repository: &Repository, arguments: &Arguments) -> Option<Thing> {
    let by_oid = arguments.text("oid");
    let wanted = by_oid.or_else(|| arguments.text("expression"))?;
    let (revision, path) = match wanted.split_once(':') {
        Some((revision, path)) => (revision, Some(path)),
        None => (wanted, None),
    };
    let by_name = repository
        .qualified(revision)
        .and_then(|name| repository.refs.get(&name));
    let known = repository
        .commits
        .get_key_value(revision)
        .map(|(oid, _)| oid);
    let oid = by_name.or(known)?;
    let commit = &repository.commits[oid];
    let id = repository.id;
    Some(match path {
        None => Thing::Commit(id, oid.clone()),
        Some(path) => match commit.files.get(path) {
            Some(text) => Thing::Blob(id, blob_oid(text)),
            None if is_folder(commit, path) => Thing::Tree(id, oid.clone(), path.to_owned()),
            None => return None,
        },
    })
}

pub(super) fn reference(call: &Call<'_>, of: u64, full: &str, name: &str) -> Option<Found> {
    let state = call.state();
    let it = state.repositories.get(&of)?;
    let (prefix, short) = match full.splitn(3, '/').collect::<Vec<_>>()[..] {
        [refs, kind, short] => (format!("{refs}/{kind}/"), short),
        _ => (String::new(), full),
    };
    Some(match name {
        "name" => leaf(short),
        "prefix" => leaf(prefix),
        "repository" => Found::One(Thing::Repository(of)),
        "target" => maybe(it.refs.get(full).map(|oid| Thing::Commit(of, oid.clone()))),
        "associatedPullRequests" => {
            let all = state.issues.values();
            let from = all.filter(|issue| {
                let head = issue.pull.as_ref().map(|pull| &pull.head);
                head.is_some_and(|(repository, branch)| *repository == of && branch == short)
            });
            page(from.map(|issue| Thing::Issue(issue.id)))
        }
        _ => return None,
    })
}

pub(super) fn commit(
    call: &Call<'_>,
    thing: &Thing,
    (of, oid): (u64, &str),
    name: &str,
) -> Option<Found> {
    let state = call.state();
    let repository = state.repositories.get(&of)?;
    let it = repository.commits.get(oid)?;
    let (headline, body) = it.message.split_once("\n\n").unwrap_or((&it.message, ""));
    Some(match name {
        "oid" => leaf(oid),
        "abbreviatedOid" => leaf(&oid[..7]),
        "message" => leaf(it.message.as_str()),
        "messageHeadline" | "messageHeadlineHTML" => leaf(headline),
        "messageBody" | "messageBodyHTML" => leaf(body),
        "authoredDate" | "committedDate" | "pushedDate" => time(it.at),
        "author" | "committer" | "authors" => {
            let user = user_of(&state, &it.by);
            let fields = vec![
                ("name", leaf(it.by.as_str())),
                ("email", leaf(format!("{}@users.noreply.github.com", it.by))),
                ("date", time(it.at)),
                ("user", user),
            ];
            drop(state);
            let actor = call.make("GitActor", thing, "author", fields);
            match name {
                "authors" => page([actor]),
                _ => Found::One(actor),
            }
        }
        "repository" => Found::One(Thing::Repository(of)),
        "parents" => page(it.parents.iter().map(|oid| Thing::Commit(of, oid.clone()))),
        "history" => {
            let all = repository.history(oid).into_iter();
            page(all.map(|commit| Thing::Commit(of, commit.oid.clone())))
        }
        "tree" => Found::One(Thing::Tree(of, oid.to_owned(), String::new())),
        "associatedPullRequests" => {
            let all = state.issues_of(of).filter(|issue| {
                let pull = issue.pull.as_ref();
                let merged = pull.and_then(|pull| pull.merged.as_ref());
                pull.is_some()
                    && (merged.is_some_and(|merged| merged.commit == oid)
                        || state.head_of(issue.id) == oid)
            });
            page(all.map(|issue| Thing::Issue(issue.id)))
        }
        "changedFiles" | "changedFilesIfAvailable" | "additions" | "deletions" => {
            let before = it
                .parents
                .first()
                .and_then(|oid| repository.commits.get(oid));
            let files = difference(before, Some(it));
            match name {
                "additions" => count(files.iter().map(|(_, came, _)| came).sum()),
                "deletions" => count(files.iter().map(|(_, _, went)| went).sum()),
                _ => count(files.len()),
            }
        }
        _ => return None,
    })
}

pub(super) fn tree(
    call: &Call<'_>,
    thing: &Thing,
    (of, oid, path): (u64, &str, &str),
    name: &str,
) -> Option<Found> {
    let state = call.state();
    let commit = state.repositories.get(&of)?.commits.get(oid)?;
    Some(match name {
        "oid" => leaf(tree_oid(oid, path)),
        "abbreviatedOid" => leaf(&tree_oid(oid, path)[..7]),
        "repository" => Found::One(Thing::Repository(of)),
        "entries" => {
            let entries = entries(commit, path);
            drop(state);
            let entries = entries.into_iter().map(|(name, text)| {
                let full = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}/{name}")
                };
                let (kind, entry, object) = match &text {
                    Some(text) => ("blob", blob_oid(text), Thing::Blob(of, blob_oid(text))),
                    None => {
                        let tree = Thing::Tree(of, oid.to_owned(), full.clone());
                        ("tree", tree_oid(oid, &full), tree)
                    }
                };
                let fields = vec![
                    ("name", leaf(name.as_str())),
                    ("path", leaf(full.as_str())),
                    ("type", leaf(kind)),
                    ("mode", leaf(if kind == "blob" { 33188 } else { 16384 })),
                    ("size", count(text.map_or(0, |text| text.len()))),
                    ("oid", leaf(entry)),
                    ("object", Found::One(object)),
                    ("repository", Found::One(Thing::Repository(of))),
                ];
                Found::One(call.make("TreeEntry", thing, &full, fields))
            });
            Found::Many(entries.collect())
        }
        _ => return None,
    })
}

pub(super) fn blob(call: &Call<'_>, (of, oid): (u64, &str), name: &str) -> Option<Found> {
    let state = call.state();
    let commits = state.repositories.get(&of)?.commits.values();
    let mut texts = commits.flat_map(|commit| commit.files.values());
    let text = texts.find(|text| blob_oid(text) == oid)?;
    Some(match name {
        "oid" => leaf(oid),
        "abbreviatedOid" => leaf(&oid[..7]),
        "text" => leaf(text.as_str()),
        "byteSize" => count(text.len()),
        "isBinary" => leaf(false),
        "repository" => Found::One(Thing::Repository(of)),
        _ => return None,
    })
}

/// Paths of files that are not the same, with lines that came and went.
pub(super) fn difference(
    before: Option<&Commit>,
    after: Option<&Commit>,
) -> Vec<(String, usize, usize)> {
    let in_commit = |commit: Option<&Commit>, path: &str| -> Vec<String> {
        let text = commit.and_then(|commit| commit.files.get(path));
        text.map(|text| text.lines().map(str::to_owned).collect())
            .unwrap_or_default()
    };
    let paths = [before, after].into_iter().flatten();
    let paths: BTreeSet<&String> = paths.flat_map(|commit| commit.files.keys()).collect();
    let lines = paths.into_iter().map(|path| {
        let (old, new) = (in_commit(before, path), in_commit(after, path));
        let came = new.iter().filter(|line| !old.contains(line)).count();
        let went = old.iter().filter(|line| !new.contains(line)).count();
        (path.clone(), came, went)
    });
    lines.filter(|(_, came, went)| came + went > 0).collect()
}

/// The same as in REST.
fn blob_oid(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))[..40].to_owned()
}

fn tree_oid(commit: &str, path: &str) -> String {
    blob_oid(&format!("{commit}:{path}"))
}

fn is_folder(commit: &Commit, path: &str) -> bool {
    path.is_empty()
        || commit
            .files
            .keys()
            .any(|file| file.starts_with(&format!("{path}/")))
}

/// What is directly in a folder: files with their texts, and folders.
fn entries(commit: &Commit, path: &str) -> Vec<(String, Option<String>)> {
    let start = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    let inside = commit.files.iter().filter_map(|(file, text)| {
        let rest = file.strip_prefix(&start)?;
        Some(match rest.split_once('/') {
            Some((folder, _)) => (folder.to_owned(), None),
            None => (rest.to_owned(), Some(text.clone())),
        })
    });
    let mut inside: Vec<_> = inside.collect();
    inside.dedup_by(|one, other| one.0 == other.0);
    inside
}
