"""Starts the local control tool with nothing but its own folder to import from."""

import sys

sys.path[:] = [sys.argv[0].rpartition("/")[0] or "."]
from knocklet.ctl import main  # noqa: E402  (only after the path is clean)

sys.exit(main(sys.argv[1:]))
