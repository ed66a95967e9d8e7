"""Starts the agent with nothing but its own folder to import from: a stray json.py elsewhere changes nothing."""

import gc
import sys

gc.threshold(16384)  # collect early while the modules load: memory once touched stays with the process
sys.path[:] = [sys.argv[0].rpartition("/")[0] or "."]
from knocklet.agent import main  # noqa: E402  (only after the path is clean)

sys.exit(main(sys.argv[1:]))
