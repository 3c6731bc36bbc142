# complete-project-setup.sh in shape: makes a project of an organisation, links its repositories to it and puts their open
# issues into it, by `gh api graphql`, by REST and by curl.
#
#   sh setup.sh ORGANISATION
set -eu
organisation=$1

organisation_id=$(gh api graphql -f login="$organisation" --jq .data.organization.id -f query='
  query($login: String!) { organization(login: $login) { id } }')

project=$(gh api graphql -f owner="$organisation_id" --jq .data.createProjectV2.projectV2.id -f query='
  mutation($owner: ID!) {
    createProjectV2(input: {ownerId: $owner, title: "Launch"}) { projectV2 { id number url } }
  }')
gh api graphql -f project="$project" --silent -f query='
  mutation($project: ID!) {
    updateProjectV2(input: {projectId: $project, shortDescription: "All that is to be done"}) {
      projectV2 { id }
    }
  }'
gh api graphql -f project="$project" --silent -f query='
  mutation($project: ID!) {
    createProjectV2Field(input: {
      projectId: $project, name: "Size", dataType: SINGLE_SELECT,
      singleSelectOptions: [
        {name: "Small", color: GREEN, description: "A day"}, {name: "Large", color: RED, description: "A week"}
      ]
    }) { projectV2Field { ... on ProjectV2SingleSelectField { id } } }
  }'
# The field's id, and that of one of its choices.
set -- $(gh api graphql -f login="$organisation" -f query='
  query($login: String!) {
    organization(login: $login) {
      projectsV2(first: 1, query: "Launch") {
        nodes {
          field(name: "Size") { ... on ProjectV2SingleSelectField { id options { id name } } }
        }
      }
    }
  }' --jq '.data.organization.projectsV2.nodes[0].field | .id, (.options[] | select(.name == "Small") | .id)')
field=$1
small=$2

for repository in $(gh api --paginate "orgs/$organisation/repos?per_page=2" --jq '.[].full_name'); do
  id=$(curl --silent --show-error --fail-with-body -H "Authorization: Bearer $GITHUB_TOKEN" \
    "https://api.github.com/repos/$repository" | grep -o '"node_id":"R_[^"]*' | cut -d'"' -f4)
  gh api graphql -f project="$project" -f repository="$id" --silent -f query='
    mutation($project: ID!, $repository: ID!) {
      linkProjectV2ToRepository(input: {projectId: $project, repositoryId: $repository}) { repository { id } }
    }'
  for issue in $(gh api --paginate "repos/$repository/issues?state=open" \
    --jq '.[] | select(.pull_request | not) | .node_id'); do
    item=$(gh api graphql -f project="$project" -f issue="$issue" --jq .data.addProjectV2ItemById.item.id -f query='
      mutation($project: ID!, $issue: ID!) {
        addProjectV2ItemById(input: {projectId: $project, contentId: $issue}) { item { id } }
      }')
    gh api graphql -f project="$project" -f item="$item" -f field="$field" -f option="$small" --silent -f query='
      mutation($project: ID!, $item: ID!, $field: ID!, $option: String!) {
        updateProjectV2ItemFieldValue(input: {
          projectId: $project, itemId: $item, fieldId: $field, value: {singleSelectOptionId: $option}
        }) { projectV2Item { id } }
      }'
  done
done
gh api graphql -f project="$project" --silent -f query='
  mutation($project: ID!) {
    addProjectV2DraftIssue(input: {projectId: $project, title: "Invite everyone"}) { projectItem { id } }
  }'
