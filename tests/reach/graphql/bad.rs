//! Lists with one bad line each, which must be found.

use super::Held;
use super::schema::Schema;

const GITHUB: &str = r#"
    scalar URI
    enum State { OPEN CLOSED }
    interface Actor { login: String! url: URI! }
    type User implements Actor { login: String! url: URI! email: String! }
    type Bot implements Actor { login: String! url: URI! }
    type Repository { name: String! owner: Actor! parent: Repository tempCloneToken: String issue(number: Int!): Issue
      issues(first: Int, states: [State!], after: ID): IssueConnection! }
    type IssueConnection { nodes: [Issue] }
    type Issue { title: String! body: String! author: Actor assignees: UserConnection! parent: Issue state: State! }
    type UserConnection { nodes: [User] totalCount: Int! }
    type Query { repository(owner: String!, name: String!): Repository user(login: String!): User }
    type Mutation { createIssue(input: CreateIssueInput!): CreateIssuePayload transferIssue(input: CreateIssueInput!): CreateIssuePayload }
    input CreateIssueInput { repositoryId: ID! title: String! assigneeIds: [ID!] headRefName: String }
    type CreateIssuePayload { issue: Issue }
"#;

const GOOD: &str = "\
interface Actor { login: String! @anywhere }
type User { login: String! @anywhere }
type Bot { login: String! @anywhere }
type Repository { name: String! @anywhere owner: Actor! @outside
  parent: Repository @outside
  issue(number: Int!): Issue
  issues(first: Int, states: [State!]): IssueConnection! }
type IssueConnection { nodes: [Issue] }
type Issue { title: String! author: Actor @outside state: State!
  assignees: UserConnection! @outside }
type UserConnection @anywhere { nodes: [User] totalCount: Int! }
type Query { repository(owner: String!, name: String!): Repository }
type Mutation { createIssue(input: CreateIssueInput!): CreateIssuePayload }
input CreateIssueInput { repositoryId: ID! title: String!
  assigneeIds: [ID!] @plain headRefName: String @held(as: HEAD) }
type CreateIssuePayload { issue: Issue }
";

fn wrong(list: &str) -> Vec<String> {
    let schema = |name, text| {
        let mut schema = Schema::default();
        schema.add(name, text);
        schema
    };
    Held::against(&schema("list", list), &schema("github", GITHUB))
}

#[test]
fn a_bad_line_is_named_and_a_good_list_has_none() {
    assert_eq!(wrong(GOOD), [""; 0]);
    let cases = [
        // What GitHub does not have.
        (
            "title: String! author",
            "title: String author",
            "list:9 `Issue`: `title` is `String!` at GitHub",
        ),
        (
            "title: String! author",
            "titel: String! author",
            "list:9 `Issue`: GitHub has no `titel`",
        ),
        (
            "states: [State!]",
            "states: [Sate!]",
            "list:7 leads to `Sate`, which is not listed",
        ),
        (
            "issue(number: Int!)",
            "issue",
            "list:6 `Repository.issue`: `number` must be given, and is not listed",
        ),
        (
            "title: String!\n",
            "\n",
            "list:14 `CreateIssueInput`: `title` must be given, and is not listed",
        ),
        (
            "type Bot",
            "type Robot",
            "list:3 `Robot`: GitHub has no such type",
        ),
        (
            "type User ",
            "interface User ",
            "list:2 `User` is Object at GitHub, not Interface",
        ),
        // What is not listed, or for nothing.
        (
            "type Bot { login: String! @anywhere }",
            "",
            "list:1 `Actor` may be `Bot`, which is not listed",
        ),
        (
            "assignees: UserConnection! @outside",
            "",
            "list:11 `UserConnection` is reached by nothing",
        ),
        // An interface and its types.
        (
            "Bot { login: String! @anywhere",
            "Bot { login: String!",
            "list:3 `Bot.login` is not as in `Actor`",
        ),
        (
            "Bot { login: String! @anywhere",
            "Bot { url: URI! @anywhere",
            "list:3 `Bot` lacks `login` of `Actor`",
        ),
        // What leads out.
        (
            "parent: Repository @outside",
            "parent: Repository",
            "list:5 `Repository.parent` leads out, so @outside",
        ),
        (
            "author: Actor @outside",
            "author: Actor",
            "list:9 `Issue.author` leads out, so @outside",
        ),
        (
            "UserConnection! @outside",
            "UserConnection!",
            "list:10 `Issue.assignees` leads out, so @outside",
        ),
        (
            "UserConnection @anywhere",
            "UserConnection",
            "list:10 `Issue.assignees`: of `UserConnection` is nothing @anywhere",
        ),
        (
            "title: String! author",
            "title: String! @outside author",
            "list:9 `Issue.title` leads nowhere, so not @outside",
        ),
        (
            "state: State!",
            "state: State! body: String! @anywhere",
            "list:9 `Issue.body` says more than a name, so not @anywhere",
        ),
        // What must not be listed.
        (
            "name: String! @anywhere owner",
            "tempCloneToken: String name: String! @anywhere owner",
            "list:4 `Repository.tempCloneToken` must not be listed",
        ),
        (
            "state: State!",
            "state: State! parent: Issue",
            "list:9 `Issue.parent` must not be listed",
        ),
        (
            "type User {",
            "type User { email: String!",
            "list:2 `User.email` must not be listed",
        ),
        (
            "Query {",
            "Query { user(login: String!): User @outside",
            "list:12 `Query.user` must not be listed",
        ),
        (
            "Mutation {",
            "Mutation { transferIssue(input: CreateIssueInput!): CreateIssuePayload",
            "list:13 `Mutation.transferIssue` must not be listed",
        ),
        // Ids and names.
        (
            "first: Int,",
            "first: Int, after: ID,",
            "list:7 takes an id, `after`, that is held to nothing",
        ),
        (
            "[ID!] @plain",
            "[ID!]",
            "list:15 `assigneeIds` should have Some(\"@plain\")",
        ),
        (
            "repositoryId: ID!",
            "repositoryId: ID! @plain",
            "list:14 `repositoryId` should have None",
        ),
        (
            "@held(as: HEAD)",
            "@held(as: REPOSITORY)",
            "list:15 `headRefName` should have Some(\"@held(as: HEAD)\")",
        ),
    ];
    for (good, bad, expected) in cases {
        assert_eq!(GOOD.matches(good).count(), 1, "{good}");
        let wrong = wrong(&GOOD.replace(good, bad));
        assert!(
            wrong.iter().any(|one| one == expected),
            "{good} → {bad}: {wrong:?}"
        );
    }
    assert_eq!(
        wrong(&format!("{GOOD}type Bot {{ login: String! @anywhere }}")).len(),
        1
    );
}
