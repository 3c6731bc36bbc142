# Tokens of two organisations, in variables.
export ACME_TOKEN=$(cat ~/values/site-token)
export OTHER_TOKEN=$(cat ~/values/new-other-token)
