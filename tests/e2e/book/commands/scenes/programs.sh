# The reader's own programs, in the current directory and in ~/bin. Each asks for labels with the token it is given.
cat >sync_labels.py <<'END'
import os, sys, urllib.request
url = "https://api.github.com/repos/acme/site/labels"
headers = {"Authorization": "Bearer " + os.environ["GITHUB_TOKEN"]}
with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
    print(answer.read().decode())
END
cat >sync.sh <<'END'
#!/bin/sh
curl -sS -H "Authorization: Bearer ${ORG_LABEL_SYNC_TOKEN:-${TO:-$GITHUB_TOKEN}}" https://api.github.com/repos/acme/site/labels
END
chmod +x sync.sh
cp sync_labels.py report.py
cp sync.sh sync_labels.sh
cp sync.sh report.sh
cp sync.sh copy_labels.sh
mkdir -p ~/bin
cp sync.sh ~/bin/my-agent
