# An extension of gh.
mkdir -p ~/.local/share/gh/extensions/gh-my-extension
printf '#!/bin/sh\nexec gh api repos/acme/site/labels\n' >~/.local/share/gh/extensions/gh-my-extension/gh-my-extension
chmod +x ~/.local/share/gh/extensions/gh-my-extension/gh-my-extension
