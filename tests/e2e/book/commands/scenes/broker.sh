# A running broker that holds nothing.
tokenctl init --root-key file >/dev/null
tokend 2>~/trace &
until test -S "$XDG_RUNTIME_DIR/tokend/tokend.sock"; do :; done
