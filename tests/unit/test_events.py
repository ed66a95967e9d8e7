"""An event is told once, in one form, to all who listen; and what it left in memory is collected in a quiet moment."""

import json
import unittest

from knocklet.edge.events import Events


class Loop:
    def __init__(self):
        self.tidied = []

    def timer(self, function):
        return function

    def tidy_later(self, now_ms):
        self.tidied.append(now_ms)


class TestTell(unittest.TestCase):
    def setUp(self):
        self.lines, self.followed, self.loop = [], [], Loop()
        self.events = Events(self.lines.append, self.loop)
        self.events.followers.append(self.followed.append)

    def test_to_all_who_listen(self):
        self.events.tell(7, "opened", service="ssh")
        self.assertEqual(self.followed, self.lines)
        event = json.loads(self.lines[0])
        self.assertEqual((event["event_type"], event["service"]), ("opened", "ssh"))

    def test_collected_later(self):
        """Not in the middle of a next knock."""
        for now_ms in (7, 8):
            self.events.tell(now_ms, "opened")
        self.assertEqual(self.loop.tidied, [7, 8])


if __name__ == "__main__":
    unittest.main()
