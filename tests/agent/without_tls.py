"""The agent on a MicroPython without TLS: its module is gone before anything imports it."""

import sys

sys.modules["tls"] = None
sys.path[:] = [sys.argv[1]]
from knocklet.agent import main  # noqa: E402  (only after the path is set)

sys.exit(main(sys.argv[2:]))
