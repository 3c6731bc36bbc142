# The vault has a recovery passphrase.
echo 'correct horse battery staple' | tokenctl rekey --recovery >/dev/null
