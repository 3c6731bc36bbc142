# What each page's session begins with.
set -eEuo pipefail

# Where a block begins, for whoever reads what was printed.
at() { printf '\036%s\037' "$1"; }

# The programs are built already.
cargo() {
    case $* in
    "install --locked --path broker" | "install --locked --path cli") test -f "$4/Cargo.toml" ;;
    "uninstall broker tokenctl") ;;
    *) echo "this session has no cargo $*" >&2 && return 1 ;;
    esac
}

# Which command ended a block.
failed() {
    local code=$?
    [[ $- == *e* ]] || return 0
    cat ~/trace 2>/dev/null || true
    printf '\n%s: line %s: ended with %s: %s\n' "${BASH_SOURCE[1]##*/}" "$1" "$code" "$BASH_COMMAND"
}
trap 'failed "$LINENO"' ERR
trap 'at end' EXIT
