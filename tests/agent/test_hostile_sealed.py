"""A hostile broker and sealed messages: of any size, on any topic, retained or in a row. What the engine has no use for does
not reach it, and the agent's memory stays as it was.

    engine (this process) <- AF_UNIX -> agent (MicroPython) <- TCP -> mosquitto, or a broker by script
"""

import os
import struct
import threading

import pytest

from agent.agent_process import NAME
from agent.scripted_broker import CONNACK, SUBACK, ScriptedBroker, until_gone
from agent.waiting import PATIENCE_S, until
from knocklet.core import command
from knocklet.wire import sealed
from lab.waiting import wait_until

BASE = f"knocklet/{NAME}/"
ROUNDS = 40  # of the largest message
MARGIN_KB = 160  # less than three of them
PUBACK = b"\x40\2\0\1"
COMMAND = b"KLE1\2" + bytes(sealed.BYTES)
LARGEST = b"KLE1\1" + os.urandom(sealed.LIMIT_BYTES - 5)
PLAIN = b'{"verb": "open", "transaction": "t", "service": "ssh", "source": "203.0.113.9"}'
BELOW = ("set", "config", "event", "state", "status", "grants", "info", "request", "request/", "response/open", "open", "set/")
VERBS = (*sorted(command._ALWAYS), *sorted(command._BY_THE_CLOCK), "set", "", "close_al", "close_all/x", "..")


def publish(topic, payload, retain=False, qos=0):
    """One MQTT packet, whatever is in it."""
    topic = topic.encode()
    body = struct.pack(">H", len(topic)) + topic + (b"\0\1" if qos else b"") + payload
    size, length = len(body), bytearray()
    while True:
        length.append(size & 127 | (128 if size > 127 else 0))
        size >>= 7
        if not size:
            return bytes([0x30 | qos << 1 | retain]) + length + body


class Script:
    """What a broker by script sends, as the test goes on."""

    def __init__(self):
        self._there = threading.Event()
        self._connection = None
        self._received = b""

    def __call__(self, connection):
        connection.recv(1000)
        connection.sendall(CONNACK + SUBACK)
        self._connection = connection
        self._there.set()
        while data := connection.recv(65536):
            self._received += data

    def send(self, data):
        assert self._there.wait(10), "the agent has connected"
        self._connection.sendall(data)

    def send_and_wait(self, *packets):
        """Until the agent has read the last one."""
        before = self._received.count(PUBACK)
        for packet in (*packets, publish(BASE + "nothing", b"", qos=1)):
            self.send(packet)
        until(lambda: self._received.count(PUBACK) > before, "all were read")


@pytest.fixture
def script(agent, engine):
    """The agent is in."""
    made = Script()
    with ScriptedBroker(made) as broker:
        agent.configure(broker.port).start()
        engine.wait_for_start()
        yield made


def sealed_ones(engine):
    return [message[1:] for message in list(engine.messages) if message[:1] == b"M"]


def comes_through(engine, script, below, payload):
    """It reaches the engine; sent again while there is no room, of more than five a second."""

    def seen():
        script.send_and_wait(publish(BASE + below, payload))
        return payload in sealed_ones(engine) or (below.removeprefix("request/"), payload) in engine.requests()

    wait_until(seen, below, PATIENCE_S, interval_s=0.1)


def test_what_reaches_the_engine(script, engine, agent):
    """By topic, form and size, and by nothing that only looks like it."""
    passed, dropped = [], []
    for below in BELOW:
        for payload in (PLAIN, COMMAND):
            (passed if below == "set" and payload is COMMAND else dropped).append((below, payload))
    for verb in VERBS:
        plain = verb in ("close", "close_all")
        (passed if plain else dropped).append(("request/" + verb, PLAIN))
        (passed if verb else dropped).append(("request/" + verb, COMMAND))
    for size in (0, 3, 4, sealed.BYTES - 1):
        dropped.append(("set", LARGEST[:size]))
    for payload in (PLAIN.ljust(1025), b"KLE2".ljust(1025), b"kle1".ljust(1025), b" KLE1".ljust(1025)):
        dropped.append(("request/close", payload))
    for below, payload in dropped:
        script.send(publish(BASE + below, payload))
    for below, payload in (("set", COMMAND), ("request/open", COMMAND), ("request/close", PLAIN), ("request/close_all", b"")):
        script.send(publish(BASE + below, payload, retain=True))
    for other in ("knocklet/other/set", "knocklet/set", "set", f"x/{BASE}set", BASE.upper() + "set", f"{BASE}set\n"):
        script.send(publish(other, COMMAND))
    script.send_and_wait()
    assert engine.requests() == sealed_ones(engine) == []
    for i, (below, payload) in enumerate(passed):
        comes_through(engine, script, below, payload if payload is PLAIN else payload + struct.pack(">I", i))


@pytest.mark.parametrize("agent", [64, 32], indirect=True)
@pytest.mark.parametrize("below", ["set", "request/close", "request/open", "nothing"])
@pytest.mark.parametrize("retain", [False, True], ids=["", "retained"])
def test_the_largest_in_a_row(script, engine, agent, below, retain):
    """Memory is flat after the first ones, and what is small comes through afterwards."""
    packet = publish(BASE + below, LARGEST, retain)
    script.send_and_wait(*20 * [packet])
    before_kb = agent.memory_kb()
    script.send_and_wait(*ROUNDS * [packet])
    comes_through(engine, script, "set", COMMAND)
    assert agent.memory_kb() <= before_kb + MARGIN_KB, f"{before_kb} kB before"
    assert agent.process.poll() is None
    assert engine.connections == 1
    assert (LARGEST in sealed_ones(engine)) == (below != "nothing" and not retain)


@pytest.mark.parametrize("agent", [64, 32], indirect=True)
def test_larger_than_any(agent, engine):
    """The largest packet is read, one byte more is not: the connection ends before anything of it is kept, again and again."""
    longest = BASE + "x" * (sealed.LIMIT_BYTES + 256 - 2 - len(BASE) - len(LARGEST))
    data, larger = publish(longest, LARGEST), publish(longest + "x", LARGEST)

    def script(connection):
        connection.recv(1000)
        connection.sendall(CONNACK + SUBACK + data + larger)
        until_gone(connection)

    with ScriptedBroker(script) as hostile:
        agent.configure(hostile.port).start(quick=True)
        agent.expect_log("it sends ")
        until(lambda: hostile.connections >= 10, "10 connections", 60)
        before_kb = agent.memory_kb()
        until(lambda: hostile.connections >= 40, "40 connections", 120)
        assert agent.memory_kb() <= before_kb + MARGIN_KB, f"{before_kb} kB before"
    assert agent.process.poll() is None
    assert sealed_ones(engine) == []


@pytest.mark.parametrize("agent", [64, 32], indirect=True)
def test_an_engine_that_reads_nothing(script, engine, agent):
    """What its socket has no room for is dropped and said; nothing piles up."""
    engine.reading = False
    packet = publish(BASE + "set", LARGEST)
    script.send_and_wait(*20 * [packet])
    before_kb = agent.memory_kb()
    script.send_and_wait(*ROUNDS * [packet])
    assert agent.memory_kb() <= before_kb + MARGIN_KB, f"{before_kb} kB before"
    engine.reading = True
    comes_through(engine, script, "set", COMMAND)


def test_by_a_real_broker(agent, engine, broker, watcher):
    """As it comes from a holder: the largest config arrives whole; one that was retained while the agent was away does not."""
    watcher.send("set", COMMAND + b"\4", retain=True)
    agent.configure(broker.port).start()
    engine.wait_for_start()
    watcher.send("set", LARGEST)
    until(lambda: LARGEST in sealed_ones(engine), "the largest one")
    watcher.send("request/open", COMMAND + b"\5")
    until(lambda: COMMAND + b"\5" in sealed_ones(engine), "a command")
    watcher.send("set", LARGEST + b"x")
    watcher.send("request/open", COMMAND + b"\6")
    until(lambda: COMMAND + b"\6" in sealed_ones(engine), "one after that was too large")
    assert sealed_ones(engine) == [LARGEST, COMMAND + b"\5", COMMAND + b"\6"]
    assert agent.log().count("lost") == 0
