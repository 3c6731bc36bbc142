"""Verifies an App's JWT with PyJWT. In: {"jwt", "public_pem"}. Out: its header and claims."""

import json
import sys

import jwt

told = json.load(sys.stdin)
claims = jwt.decode(
    told["jwt"],
    told["public_pem"],
    algorithms=["RS256"],
    options={"require": ["iat", "exp", "iss"], "verify_iat": True},
)
json.dump({"header": jwt.get_unverified_header(told["jwt"]), "claims": claims}, sys.stdout)
