"""The engine on a MicroPython without TLS: MD5, SHA-1 and AES are gone before anything imports them."""

import hashlib
import sys


class Sha256Only:
    sha256 = hashlib.sha256


sys.modules["hashlib"] = Sha256Only
sys.modules["cryptolib"] = None
firmware = sys.argv[0].rpartition("/")[0] + "/../../build/firmware"
sys.path[:] = [firmware]
from knocklet.engine import main  # noqa: E402  (only after the path is set)

sys.exit(main(sys.argv[1:]))
