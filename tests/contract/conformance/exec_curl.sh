# What curl does in a shell script under `tokenctl exec`. In and out as `exec_gh.sh`.
set -eu
repository=$1
other=$2
other_issue=$3
api=https://api.github.com

ask() {
  curl --silent --show-error -H "Authorization: Bearer $GITHUB_TOKEN" "$@"
}

# The values of a field, one a line.
values() {
  grep -o "\"$1\":\"[^\"]*\"" | cut -d'"' -f4
}

page="$api/repos/$repository/labels?per_page=10"
while [ -n "$page" ]; do
  ask --fail-with-body -D head "$page" | values name | sed 's/^/label /'
  page=$(sed -n 's/^[Ll]ink:.*<\([^>]*\)>; rel="next".*/\1/p' head)
done
ask -o /dev/null -w 'made %{http_code}\n' -d '{"name":"type/bug","color":"ff0000"}' "$api/repos/$repository/labels"
ask --fail-with-body "$api/repos/$repository/labels/type%2Fbug" | values name | sed 's/^/found /'

# The body of a request: the open issues of a repository, or a comment on an issue.
issues() {
  document='query($owner: String!, $repo: String!) {
    repository(owner: $owner, name: $repo) { issues(first: 100, states: OPEN) { nodes { id title } } }
  }'
  document=$(echo "$document" | tr -d '\n')
  echo "{\"query\":\"$document\",\"variables\":{\"owner\":\"${1%/*}\",\"repo\":\"${1#*/}\"}}"
}
comment() {
  document='mutation($issue: ID!, $body: String!) {
    addComment(input: {subjectId: $issue, body: $body}) { commentEdge { node { url } } }
  }'
  document=$(echo "$document" | tr -d '\n')
  echo "{\"query\":\"$document\",\"variables\":{\"issue\":\"$1\",\"body\":\"So it is\"}}"
}
ask --fail-with-body -d "$(issues "$repository")" "$api/graphql" >issues.json
values title <issues.json | sed 's/^/issue /'
issue=$(values id <issues.json | head -n 1)
ask --fail-with-body -d "$(comment "$issue")" "$api/graphql" | values url | sed 's/^/commented /'

refused() {
  status=$(ask -D head -o answer -w '%{http_code}' "$@")
  code=$(tr -d '\r' <head | sed -n 's/^tokend-error: *//p')
  message=$(sed -n 's/.*"message":"//; s/","[a-z_]*":.*//p' answer)
  echo "refused $status $code $message"
}
refused "$api/repos/$other"
refused "$api/repos/$repository/hooks"
refused "$api/user"
refused -d '{"query":"{viewer{email}}"}' "$api/graphql"
refused -d "$(issues "$other")" "$api/graphql"
refused -d "$(comment "$other_issue")" "$api/graphql"
