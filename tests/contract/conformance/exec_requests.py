"""What requests does under `tokenctl exec`. In and out as `exec_octokit.mjs`."""

import json
import os
import sys
from urllib.parse import quote

import requests
from documents import COMMENT, EMAIL, ISSUES, comment, place
from refusal import refused

API = "https://api.github.com"

told = json.load(sys.stdin)
here = f"{API}/repos/{told['owner']}/{told['repo']}"
github = requests.Session()
github.headers["Authorization"] = "Bearer " + os.environ["GITHUB_TOKEN"]


def good(answer):
    answer.raise_for_status()
    return answer


def graphql(query, variables=None):
    return github.post(f"{API}/graphql", json={"query": query, "variables": variables})


labels, page = [], f"{here}/labels?per_page=10"
while page:
    answer = good(github.get(page))
    labels += [label["name"] for label in answer.json()]
    page = answer.links.get("next", {}).get("url")
name = "type/bug"
made = github.post(f"{here}/labels", json={"name": name, "color": "ff0000"})
found = good(github.get(f"{here}/labels/{quote(name, safe='')}"))
ours = place(f"{told['owner']}/{told['repo']}")
issues = good(graphql(ISSUES, ours)).json()["data"]["repository"]["issues"]["nodes"]
said = good(graphql(COMMENT, comment(issues[0]["id"]))).json()["data"]["addComment"]
json.dump(
    {
        "labels": labels,
        "made": made.status_code,
        "found": found.json()["name"],
        "issues": [issue["title"] for issue in issues],
        "commented": said["commentEdge"]["node"]["url"],
        "refused": [
            refused(github.get(f"{API}/repos/{told['other']}")),
            refused(github.get(f"{here}/hooks")),
            refused(github.get(f"{API}/user")),
            refused(graphql(EMAIL)),
            refused(graphql(ISSUES, place(told["other"]))),
            refused(graphql(COMMENT, comment(told["other_issue"]))),
        ],
    },
    sys.stdout,
)
