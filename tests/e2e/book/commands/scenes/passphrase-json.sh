# The passphrase of a backup, as the API takes it.
echo '{"passphrase":"correct horse battery staple"}' >passphrase.json
