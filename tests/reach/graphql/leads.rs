//! Where the fields of the list lead, and what no line may bring back.

use super::Held;
use super::schema::{Schema, is_page};

/// Types that stand for an account, a repository or a project. A field that leads to one leads out.
const ELSEWHERE: [&str; 7] = [
    "Bot",
    "Mannequin",
    "Organization",
    "ProjectV2",
    "Repository",
    "Team",
    "User",
];
/// Types that stand in a repository. A project names those of any.
const IN_A_REPOSITORY: [&str; 4] = ["Issue", "Label", "Milestone", "PullRequest"];
/// What leads to one of these and stays inside: by its arguments, which the lease must hold, or by a need.
const INSIDE: [&str; 7] = [
    "Organization.projectV2",
    "Organization.projectsV2",
    "Organization.repositories",
    "Organization.team",
    "Organization.teams",
    "Query.organization",
    "Query.repository",
];
const ROOTS: [&str; 4] = ["organization", "rateLimit", "repository", "viewer"];
/// Fields that lead out or hand something out, and that no line may bring back.
const NEVER: [&str; 27] = [
    "associatedPullRequests",
    "closedByPullRequestsReferences",
    "closingIssuesReferences",
    "compare",
    "deployKeys",
    "enterprise",
    "forks",
    "gists",
    "linkedBranches",
    "matchingPullRequests",
    "membersWithRole",
    "packages",
    "publicKeys",
    "samlIdentityProvider",
    "stargazers",
    "subIssues",
    "submodules",
    "tarballUrl",
    "tempCloneToken",
    "timeline",
    "timelineItems",
    "trackedInIssues",
    "trackedIssues",
    "userContentEdits",
    "viewerDefaultCommitEmail",
    "viewerPossibleCommitEmails",
    "zipballUrl",
];
/// Words in the names of mutations that no line may bring back.
const NEVER_CHANGED: [&str; 12] = [
    "branchprotection",
    "collaborator",
    "deploykey",
    "enterprise",
    "migration",
    "ruleset",
    "sponsor",
    "subissue",
    "team",
    "transfer",
    "updaterepository",
    "user",
];
/// Of these only names may be listed.
const ACCOUNTS: [&str; 5] = ["Bot", "EnterpriseUserAccount", "Mannequin", "Team", "User"];
/// What may be read of what stands outside.
const NAMES: [&str; 24] = [
    "avatarUrl",
    "color",
    "column",
    "combinedSlug",
    "databaseId",
    "fieldValueByName",
    "id",
    "isViewer",
    "login",
    "name",
    "nameWithOwner",
    "number",
    "optionId",
    "organization",
    "owner",
    "prefix",
    "project",
    "repository",
    "resourcePath",
    "slug",
    "sshUrl",
    "state",
    "title",
    "url",
];
/// And of a repository: what `gh` asks of each, and of its parent.
const ASKED_OF_A_PARENT: [&str; 12] = [
    "defaultBranchRef",
    "description",
    "hasDiscussionsEnabled",
    "hasIssuesEnabled",
    "hasProjectsEnabled",
    "hasWikiEnabled",
    "isFork",
    "isPrivate",
    "mergeCommitAllowed",
    "rebaseMergeAllowed",
    "squashMergeAllowed",
    "viewerPermission",
];
const OUTSIDE: &str = "@outside";
const ANYWHERE: &str = "@anywhere";

impl Held<'_> {
    /// What leads out is marked, and below it something may be read.
    pub(super) fn outside(&mut self) {
        let list = self.list;
        for (of, _, name, field) in list.fields() {
            let path = format!("{of}.{name}");
            let leads = self.github.possible(&field.named);
            let leads_to = |types: &[&str]| types.iter().any(|one| leads.contains(*one));
            let of_a_project = of.starts_with("ProjectV2");
            let out = leads_to(&ELSEWHERE) || of_a_project && leads_to(&IN_A_REPOSITORY);
            // A page is as far out as the field that gives it; a changed project was asked about by its id.
            let inside = INSIDE.contains(&path.as_str())
                || is_page(of)
                || of.ends_with("Payload") && field.named == "ProjectV2";
            if !field.has(OUTSIDE) {
                if out && !inside {
                    self.say(
                        &field.place,
                        format_args!("`{path}` leads out, so {OUTSIDE}"),
                    );
                }
                continue;
            }
            let pages = pages(list, &field.named);
            for one in leads.iter().map(String::as_str).chain(pages) {
                if !something_anywhere(list, one) {
                    self.say(
                        &field.place,
                        format_args!("`{path}`: of `{one}` is nothing {ANYWHERE}"),
                    );
                }
            }
            if leads.is_empty() {
                self.say(
                    &field.place,
                    format_args!("`{path}` leads nowhere, so not {OUTSIDE}"),
                );
            }
        }
    }

    /// What no line may bring back, and what alone may be read of what stands outside.
    pub(super) fn never(&mut self) {
        for (of, one, name, field) in self.list.fields() {
            let path = format!("{of}.{name}");
            let mutation = name.to_lowercase();
            let word = NEVER_CHANGED.iter().any(|word| mutation.contains(word));
            let never = NEVER.contains(&name)
                || path == "Issue.parent"
                || of == "Query" && !ROOTS.contains(&name)
                || of == "Mutation" && word
                || ACCOUNTS.contains(&of) && !NAMES.contains(&name);
            if never {
                self.say(&field.place, format_args!("`{path}` must not be listed"));
            }
            let anywhere = field.has(ANYWHERE) || one.directives.contains(ANYWHERE);
            let known = NAMES.contains(&name)
                || ASKED_OF_A_PARENT.contains(&name) && of == "Repository"
                || ["DraftIssue", "PageInfo"].contains(&of)
                || is_page(of);
            if anywhere && !known {
                self.say(
                    &field.place,
                    format_args!("`{path}` says more than a name, so not {ANYWHERE}"),
                );
            }
        }
    }
}

/// A connection and its edges.
fn pages<'l>(list: &'l Schema, named: &str) -> Vec<&'l str> {
    let mut pages = Vec::new();
    let one = list.types.get_key_value(named);
    if let Some((name, one)) = one.filter(|(name, _)| is_page(name)) {
        let fields = one.fields.values().map(|field| field.named.as_str());
        pages.extend(fields.chain([name.as_str()]).filter(|named| is_page(named)));
    }
    pages
}

fn something_anywhere(list: &Schema, named: &str) -> bool {
    list.types.get(named).is_some_and(|one| {
        one.directives.contains(ANYWHERE) || one.fields.values().any(|field| field.has(ANYWHERE))
    })
}
