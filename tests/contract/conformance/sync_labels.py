"""Gives every repository of an organization the labels in a file, and no others.

    GITHUB_TOKEN=… python3 sync_labels.py ORGANIZATION LABELS.json

The file: {"bug": {"color": "d73a4a", "description": "Something is broken"}, …}. It knows nothing of a broker.
"""

import json
import os
import sys

from github import Auth, Github

organization, path = sys.argv[1:]
with open(path) as file:
    wanted = json.load(file)

github = Github(auth=Auth.Token(os.environ["GITHUB_TOKEN"]))
for repository in github.get_organization(organization).get_repos():
    present = {label.name: label for label in repository.get_labels()}
    changed = 0
    for name, want in wanted.items():
        label = present.pop(name, None)
        if label is None:
            repository.create_label(name, **want)
        elif (label.color, label.description) != (want["color"], want["description"]):
            label.edit(name, **want)
        else:
            continue
        changed += 1
    for label in present.values():
        label.delete()
        changed += 1
    print(f"{repository.full_name}: {changed} changed")
