"""Opens sealed boxes with PyNaCl (libsodium).

In: a JSON list of {"private_key", "sealed"} in base64. Out: a JSON list of what was in them.
"""

import base64
import json
import sys

from nacl.public import PrivateKey, SealedBox


def opened(box):
    key = PrivateKey(base64.b64decode(box["private_key"]))
    return SealedBox(key).decrypt(base64.b64decode(box["sealed"], validate=True)).decode()


json.dump([opened(box) for box in json.load(sys.stdin)], sys.stdout)
