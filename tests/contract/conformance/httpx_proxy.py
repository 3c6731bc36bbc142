"""What httpx does over the socket of the proxy.

In and out as `octokit_proxy.mjs`, but for `wait_unit` and `waits`: httpx knows of no limits.
"""

import json
import sys
from urllib.parse import quote

import httpx
from refusal import refused

told = json.load(sys.stdin)
here = f"/repos/{told['owner']}/{told['repo']}/labels"

with httpx.Client(
    transport=httpx.HTTPTransport(uds=told["socket"]),
    base_url=told["api"],
    headers={"Authorization": "Bearer " + told["token"]},
) as github:
    labels, page = [], here + "?per_page=10"
    while page:
        answer = github.get(page).raise_for_status()
        labels += [label["name"] for label in answer.json()]
        # Links begin with https, as GitHub's do; over the socket it is plain HTTP.
        page = answer.links.get("next", {}).get("url", "").replace("https:", "http:")
    name = "type/bug"
    made = github.post(here, json={"name": name, "color": "ff0000"})
    found = github.get(here + "/" + quote(name, safe="")).raise_for_status()
    elsewhere = github.get(f"/repos/{told['owner']}/{told['other']}/labels")
    graphql = github.post("/graphql", json={"query": "{ viewer { email } }"})
    json.dump(
        {
            "labels": labels,
            "made": made.status_code,
            "found": found.json()["name"],
            "refused": [refused(elsewhere), refused(graphql)],
        },
        sys.stdout,
    )
