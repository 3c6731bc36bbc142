"""What the scripts in Python ask by GraphQL."""

ISSUES = """
query($owner: String!, $repo: String!) {
  repository(owner: $owner, name: $repo) { issues(first: 100, states: OPEN) { nodes { id title } } }
}
"""
COMMENT = """
mutation($issue: ID!, $body: String!) {
  addComment(input: {subjectId: $issue, body: $body}) { commentEdge { node { url } } }
}
"""
EMAIL = "{viewer{email}}"


def comment(issue):
    """The variables of a comment."""
    return {"issue": issue, "body": "So it is"}


def place(full_name):
    """The variables that name a repository."""
    owner, repo = full_name.split("/")
    return {"owner": owner, "repo": repo}
