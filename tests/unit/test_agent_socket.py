"""A sealed message for which there is no memory: it is counted, and nothing ends. Its socket and its loop are played."""

import unittest

from common import without_ffi  # noqa: F401  (before the next one)
from knocklet.core import agent_messages
from knocklet.edge import agent_socket
from knocklet.wire import sealed, topics

MESSAGE = agent_messages.sealed(bytes(sealed.BYTES))
EAGAIN = 11


class Libc:
    """As edge/libc.py, over Client."""

    EAGAIN, MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT = EAGAIN, 0, 0, 0
    client = None

    @classmethod
    def recv(cls, _fd, buffer, _size, _flags):
        if not cls.client.waiting:
            raise OSError(EAGAIN, "nothing there")  # CPython sets errno only of two
        buffer[0] = cls.client.waiting[0][0]
        return len(cls.client.waiting[0])


class Client:
    """full: reading a whole message finds no memory."""

    def __init__(self):
        self.waiting, self.sent, self.full = [], [], False

    def fileno(self):
        return 0

    def recv(self, size):
        if self.full and size > 1:
            raise MemoryError
        return self.waiting.pop(0)[:size]

    def send(self, message):
        self.sent.append(message)

    def close(self):
        self.sent = None


class Loop:
    def __init__(self):
        self.planned = []

    def timer(self, function):
        return function

    def add(self, *_who):
        pass

    def sooner(self, function, _now_ms, wait_ms):
        self.planned.append((function, wait_ms))


class Outbox:
    def after(self, _token):
        return None


class Reports:
    """fails: topics for whose payload there is no memory."""

    name = "home"

    def __init__(self):
        self.changed, self.fails, self.outbox = set(), [], Outbox()

    def make(self, topic, _fields):
        if topic in self.fails:
            raise MemoryError
        return b"{}"

    def retained(self, topic, _now_ms):
        self.changed.discard(topic)
        return self.make(topic, {})


class Orders:
    def __init__(self):
        self.obeyed = []

    def has_room(self):
        return True

    def obey(self, message):
        self.obeyed.append(message)
        return "set", {}


class TestMemory(unittest.TestCase):
    def setUp(self):
        self.before = agent_socket.libc, agent_socket._listen, agent_messages.parse
        self.client, self.loop, self.reports, self.orders = Client(), Loop(), Reports(), Orders()
        agent_socket.libc, agent_socket._listen = Libc, lambda _directory, _user: None
        Libc.client = self.client
        self.one = agent_socket.AgentSocket("", (0, 0), self.loop, self.reports, None, self.orders, lambda: 0)
        self.one._client = self.client

    def tearDown(self):
        agent_socket.libc, agent_socket._listen, agent_messages.parse = self.before

    def comes(self):
        """Returns the topics of what is sent then."""
        self.client.waiting.append(MESSAGE)
        self.one._readable(0)
        self.assertEqual(self.client.waiting, [])
        sent = [agent_messages.parse(message)[3] for message in self.client.sent]
        self.client.sent.clear()
        return sent

    def counted(self, no_memory):
        self.assertEqual((self.one.counts["no_memory"], self.one.counts["bad_messages"]), (no_memory, 0))

    def test_enough(self):
        self.assertEqual(self.comes(), [topics.CONFIG, topics.RESPONSE + "set"])
        self.assertEqual(self.orders.obeyed, [MESSAGE[1:]])
        self.counted(0)

    def test_to_read_it(self):
        """It is taken out of the socket all the same: the next one comes through."""
        self.client.full = True
        self.assertEqual((self.comes(), self.orders.obeyed), ([], []))
        self.counted(1)
        self.client.full = False
        self.assertEqual(len(self.comes()), 2)
        self.counted(1)

    def test_to_parse_it(self):
        def parse(_message):
            raise MemoryError

        real, agent_messages.parse = agent_messages.parse, parse
        self.client.waiting.append(MESSAGE)
        self.one._readable(0)
        agent_messages.parse = real
        self.assertEqual((self.client.sent, self.orders.obeyed), ([], []))
        self.counted(1)
        self.assertEqual(len(self.comes()), 2)

    def test_to_answer_it(self):
        """Whoever waits for the answer has the report of what is in force."""
        self.reports.fails = [topics.RESPONSE + "set"]
        self.assertEqual(self.comes(), [topics.CONFIG])
        self.counted(1)

    def test_to_tell_what_is_in_force(self):
        """The answer comes all the same, and the report later."""
        self.reports.fails = [topics.CONFIG]
        self.assertEqual(self.comes(), [topics.RESPONSE + "set"])
        self.counted(1)
        self.assertEqual(self.reports.changed, {topics.CONFIG})
        self.assertEqual(self.loop.planned, [(self.one._blocked, 5000)])
        self.reports.fails = []
        self.one._started = True
        self.one._blocked(5000)
        self.assertEqual((len(self.client.sent), self.reports.changed), (1, set()))


if __name__ == "__main__":
    unittest.main()
