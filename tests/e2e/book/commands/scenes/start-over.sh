# What `tokenctl setup` made is taken away: the page goes on for a reader who did not run it.
broker=$(tokenctl status | sed -n 's/^broker.* pid \([0-9]*\),.*/\1/p')
kill "$broker"
until ! kill -0 "$broker" 2>/dev/null; do :; done
rm -r ~/.config/tokend ~/.local/share/tokend
