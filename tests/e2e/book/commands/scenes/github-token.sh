# A token in a variable.
export GITHUB_TOKEN=$(cat ~/values/report-token)
