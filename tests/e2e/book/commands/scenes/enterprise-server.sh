# GitHub is an Enterprise Server: session.rs makes it so. The reader was given its CA's certificate.
cp ~/page/ca.pem acme-ca.pem
