# A program that sends mail.
printf '#!/bin/sh\nset -eu\ntest "$1 $3" = "-s ops@acme.example"\ngrep "a test"\n' >~/bin/mail
chmod +x ~/bin/mail
