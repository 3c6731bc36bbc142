# A running broker with the purposes and secrets that the pages name. Alice may use all of them.
test -S "$XDG_RUNTIME_DIR/tokend/tokend.sock" || . /home/tree/tests/e2e/book/commands/scenes/broker.sh
add_purposes() {
    local policies=~/.config/tokend/policies policy value
    for policy in /home/tree/tests/e2e/book/commands/policies/*.toml ~/tokend/policies/*.toml; do
        case $policy in *.cases.toml) continue ;; esac
        test ! -e "$policies/${policy##*/}" || continue
        cat "$policy" >"$policies/${policy##*/}"
        if grep -q ^purpose "$policy" && ! grep -q 'caller = { user = "alice" }' "$policy"; then
            printf '\n[[allow]]\ncaller = { user = "alice" }\n' >>"$policies/${policy##*/}"
        fi
    done
    chmod go-w "$policies"/*.toml
    tokenctl policy reload
    for value in ~/values/*; do
        case $value in */new-*) continue ;; esac
        tokenctl secret set "${value##*/}" <"$value"
    done
}
add_purposes
