"""The agent from its source with short deadlines: a hostile broker is given up in a second, and tried again after less.

They are constants: the compiled firmware has none that could be set, and the product has no option for them.
"""

import gc
import sys

gc.threshold(16384)
here = sys.argv[0].rpartition("/")[0] or "."
sys.path[:] = [here + "/../../firmware"]
from knocklet import agent  # noqa: E402  (only after the path is set)
from knocklet.core import backoff, mqtt_session  # noqa: E402

mqtt_session.HELLO_MS = 1000
mqtt_session.WRITE_MS = 1000
mqtt_session.KEEP_ALIVE_MS = 1000
mqtt_session.SILENCE_MS = 1500
backoff.FIRST_MS = 20
backoff.LONGEST_MS = 40
agent._AWAY_MS = 1000
agent._BIRTH_MS = (10, 20)
sys.exit(agent.main(sys.argv[1:]))
