"""What PyGithub does under `tokenctl exec`, with no address but its own.

In and out as `exec_octokit.mjs`; besides, `repositories` (names, of all pages) and `asset` (the size of a file that it
uploaded). It makes as many requests a second as it can.
"""

import json
import os
import sys

from documents import COMMENT, EMAIL, ISSUES, comment, place
from github import Auth, Github, GithubException

told = json.load(sys.stdin)
github = Github(
    auth=Auth.Token(os.environ["GITHUB_TOKEN"]),
    per_page=2,
    seconds_between_requests=0,
    seconds_between_writes=0,
)


def refused(call):
    try:
        call()
    except GithubException as error:
        headers = {name.lower(): value for name, value in error.headers.items()}
        return {
            "status": error.status,
            "message": error.data["message"],
            "code": headers.get("tokend-error"),
        }


def graphql(query, variables=None):
    _, answer = github.requester.graphql_query(query, variables or {})
    return answer["data"]


organization = github.get_organization(told["owner"])
repositories = [repository.name for repository in organization.get_repos()]
repository = github.get_repo(f"{told['owner']}/{told['repo']}")
labels = [label.name for label in repository.get_labels()]
name = "type/bug"
made = repository.create_label(name, "ff0000")
found = repository.get_label(name)
# By the address in the answer, which has the slash as it is.
made.edit(name, "00ff00", "Something is broken")
repository.get_label("label-00").delete()
release = repository.create_git_release("v1", "v1", "")
with open("site.zip", "wb") as file:
    file.write(b"zipped")
asset = release.upload_asset("site.zip", content_type="application/zip")
text = repository.get_contents("README.md").decoded_content
issues = graphql(ISSUES, place(repository.full_name))["repository"]["issues"]["nodes"]
said = graphql(COMMENT, comment(issues[0]["id"]))["addComment"]
json.dump(
    {
        "repositories": repositories,
        "labels": labels,
        "made": 201,
        "found": found.name,
        "issues": [issue["title"] for issue in issues],
        "commented": said["commentEdge"]["node"]["url"],
        "asset": asset.size,
        "text": text.decode(),
        "refused": [
            refused(lambda: github.get_repo(told["other"])),
            refused(lambda: list(repository.get_hooks())),
            refused(lambda: github.get_user().login),
            refused(lambda: graphql(EMAIL)),
            refused(lambda: graphql(ISSUES, place(told["other"]))),
            refused(lambda: graphql(COMMENT, comment(told["other_issue"]))),
        ],
    },
    sys.stdout,
)
