"""What PyGithub gets for an App: finds the installation of a repository and mints.

In and out as `auth_app.mjs`; PyGithub cannot cut a token down to repositories, so it gets all of the
installation.
"""

import json
import sys

from github import Auth, Github, GithubIntegration

told = json.load(sys.stdin)
app = Auth.AppAuth(told["client_id"], told["private_key"])
integration = GithubIntegration(auth=app, base_url=told["api"])
installation = integration.get_repo_installation(told["owner"], told["repositories"][0])
minted = integration.get_access_token(installation.id, permissions=told["permissions"])
github = Github(auth=Auth.Token(minted.token), base_url=told["api"])
reached = installation.get_repos()
file = github.get_repo(f"{told['owner']}/{told['repositories'][0]}").get_contents("README.md")
json.dump(
    {
        "installation": installation.id,
        "token": minted.token,
        "permissions": minted.permissions,
        "repositories": sorted(one.full_name for one in reached),
        "expires_at": minted.expires_at.isoformat(),
        "reads": 200 if file.decoded_content.startswith(b"# ") else 0,
    },
    sys.stdout,
)
