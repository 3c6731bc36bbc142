# A file of tokens that every shell sources.
for name in ORG_LABEL_SYNC_TOKEN=org-label-sync-token ORG_REPO_ANALYSIS_TOKEN=org-repo-analysis-token; do
    echo "export ${name%=*}=\"$(cat ~/values/"${name#*=}")\""
done >~/.github-tokens
echo '. ~/.github-tokens' >~/.bashrc
