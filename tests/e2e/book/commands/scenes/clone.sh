# In a clone of acme/site, on a branch that was pushed.
git config --global user.name Alice
git config --global user.email alice@acme.example
tokenctl exec site-push -- git clone --quiet https://github.com/acme/site ~/site
cd ~/site
git switch --quiet --create red
git commit --quiet --allow-empty --message="Paint it red"
tokenctl exec site-push -- git push --quiet --set-upstream origin red
