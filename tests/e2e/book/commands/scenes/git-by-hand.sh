# Lines for git that the reader once wrote by hand, as docs/how-to/use-several-purposes-with-git.md has them.
git config --global credential.https://github.com/acme.useHttpPath true
git config --global credential.https://github.com/acme.helper '!tokenctl git-credential'
