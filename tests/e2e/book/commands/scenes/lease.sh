# A live lease on an installation token. Its id is in `lease`.
lease=$(tokenctl get import --json | jq -r .lease)
