"""What httpx does under `tokenctl exec`. In and out as `exec_octokit.mjs`."""

import json
import os
import sys
from urllib.parse import quote

import httpx
from documents import COMMENT, EMAIL, ISSUES, comment, place
from refusal import refused

told = json.load(sys.stdin)
here = f"/repos/{told['owner']}/{told['repo']}"

with httpx.Client(
    base_url="https://api.github.com",
    headers={"Authorization": "Bearer " + os.environ["GITHUB_TOKEN"]},
) as github:

    def graphql(query, variables=None):
        return github.post("/graphql", json={"query": query, "variables": variables})

    labels, page = [], f"{here}/labels?per_page=10"
    while page:
        answer = github.get(page).raise_for_status()
        labels += [label["name"] for label in answer.json()]
        page = answer.links.get("next", {}).get("url")
    name = "type/bug"
    made = github.post(f"{here}/labels", json={"name": name, "color": "ff0000"})
    found = github.get(f"{here}/labels/{quote(name, safe='')}").raise_for_status()
    ours = place(f"{told['owner']}/{told['repo']}")
    issues = graphql(ISSUES, ours).raise_for_status().json()["data"]["repository"]["issues"]["nodes"]
    said = graphql(COMMENT, comment(issues[0]["id"])).raise_for_status().json()["data"]["addComment"]
    json.dump(
        {
            "labels": labels,
            "made": made.status_code,
            "found": found.json()["name"],
            "issues": [issue["title"] for issue in issues],
            "commented": said["commentEdge"]["node"]["url"],
            "refused": [
                refused(github.get(f"/repos/{told['other']}")),
                refused(github.get(f"{here}/hooks")),
                refused(github.get("/user")),
                refused(graphql(EMAIL)),
                refused(graphql(ISSUES, place(told["other"]))),
                refused(graphql(COMMENT, comment(told["other_issue"]))),
            ],
        },
        sys.stdout,
    )
