# What `gh api` does in a shell script under `tokenctl exec`: as `exec_octokit.mjs`.
#
#   sh exec_gh.sh OWNER/REPO OTHER OTHER-ISSUE
#
# Out, in lines: `label NAME`, `made STATUS`, `found NAME`, `issue TITLE`, `commented URL`, `refused STATUS CODE MESSAGE`.
set -eu
repository=$1
other=$2
other_issue=$3

gh api --paginate "repos/$repository/labels?per_page=10" --jq '.[] | "label " + .name'
gh api -i "repos/$repository/labels" -f name=type/bug -f color=ff0000 | sed -n '1s/^[^ ]* \([0-9]*\).*/made \1/p'
gh api "repos/$repository/labels/type%2Fbug" --jq '"found " + .name'

issues='query($owner: String!, $repo: String!) {
  repository(owner: $owner, name: $repo) { issues(first: 100, states: OPEN) { nodes { id title } } }
}'
comment='mutation($issue: ID!, $body: String!) {
  addComment(input: {subjectId: $issue, body: $body}) { commentEdge { node { url } } }
}'
gh api graphql -f owner="${repository%/*}" -f repo="${repository#*/}" -f query="$issues" \
  --jq '.data.repository.issues.nodes[] | .id + " " + .title' >issues
sed 's/^[^ ]* /issue /' issues
issue=$(sed '1s/ .*//;q' issues)
gh api graphql -f issue="$issue" -f body='So it is' -f query="$comment" \
  --jq '"commented " + .data.addComment.commentEdge.node.url'

# gh fails, and writes the answer all the same.
refused() {
  ! gh api -i "$@" >answer 2>/dev/null
  status=$(sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' answer)
  code=$(tr -d '\r' <answer | sed -n 's/^[Tt]okend-[Ee]rror: *//p')
  message=$(sed -n 's/.*"message":"//; s/","[a-z_]*":.*//p' answer)
  echo "refused $status $code $message"
}
refused "repos/$other"
refused "repos/$repository/hooks"
refused user
refused graphql -f query='{viewer{email}}'
refused graphql -f owner="${other%/*}" -f repo="${other#*/}" -f query="$issues"
refused graphql -f issue="$other_issue" -f body='So it is' -f query="$comment"
