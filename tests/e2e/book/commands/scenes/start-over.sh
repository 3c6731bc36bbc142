# What `tokenctl setup` made is taken away: the page goes on for a reader who did not run it.
kill "$(tokenctl status | sed -n 's/^broker.* pid \([0-9]*\),.*/\1/p')"
until test ! -S "$XDG_RUNTIME_DIR/tokend/tokend.sock"; do :; done
rm -r ~/.config/tokend ~/.local/share/tokend
