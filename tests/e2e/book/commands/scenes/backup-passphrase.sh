# A file with the passphrase of a backup.
(umask 077 && echo 'correct horse battery staple' >backup-passphrase)
