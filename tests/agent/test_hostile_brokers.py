"""Brokers that lie, stall, flood or hang up: the agent gives up at its deadline, and gets in with a real one afterwards.

It runs with short deadlines (quick_agent.py): a second for CONNACK, for a write, and between pings.
"""

import random
import time

import pytest

from agent.certificates import server_context
from agent.mosquitto import Mosquitto
from agent.scripted_broker import (
    CONNACK,
    SUBACK,
    ScriptedBroker,
    drips,
    drips_messages,
    drops,
    floods,
    never_acknowledges,
    never_reads,
    says,
    silent,
)  # fmt: skip
from agent.waiting import until


@pytest.fixture
def recovers(agent, engine, directory):
    """recovers(script, why): what happens with this broker, and then with a real one on the same port."""
    real = []

    def run(script, why, publish=None, **more):
        with ScriptedBroker(script, **more) as hostile:
            agent.configure(hostile.port).start(quick=True)
            if publish:
                engine.wait_for_start()
                publish(engine)
            agent.expect_log(why)
            until(lambda: hostile.connections >= 3, "tried again")
            assert engine.connections == 1
            port = hostile.port
        real.append(Mosquitto(directory, port=port).start())

        def delivered():
            engine.publish("event", b"after all that", 777)   # again, as the engine does after each START
            time.sleep(0.1)
            return 777 in engine.acknowledged()

        until(delivered, "a report through the real broker")

    yield run
    for broker in real:
        broker.stop()


def test_silent(recovers):
    recovers(silent, "its CONNACK does not come")


def test_dripping(recovers):
    recovers(drips, "its CONNACK does not come")


def test_hangs_up_at_once(recovers):
    recovers(lambda connection: None, "not reached: ")


def test_refuses_us(recovers):
    recovers(says(b"\x20\2\0\5"), "it does not allow us in")


def test_no_suback(recovers):
    recovers(says(CONNACK), "its SUBACK does not come")


def test_stops_in_mid_packet(recovers):
    recovers(says(CONNACK + SUBACK + b"\x30\x64\0\1a"), "it is silent")


def test_drips_a_message(recovers):
    recovers(drips_messages, "it is silent")


def test_takes_us_in_and_hangs_up(recovers):
    recovers(drops, "lost: it closed the connection")


def test_acknowledges_nothing(recovers):
    recovers(never_acknowledges, "it acknowledges nothing", lambda engine: engine.publish("event", b"x", 1))


def test_never_reads(recovers):
    """Its buffers are full in the middle of a packet."""

    def much(engine):
        for i in range(8):
            engine.publish("grants", bytes(60_000), 1 + i)
        assert engine.acknowledged() == []

    recovers(never_reads, "it does not take what is sent", much, receive_bytes=2048)


def test_floods(recovers):
    """Each message is dropped, and does not count for the acknowledgements that it owes."""
    recovers(floods, "lost: it acknowledges nothing", receive_bytes=2048)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes(2000),
        b"\xff" * 100_000,
        CONNACK + b"\x30" + b"\xff" * 100_000,   # endless length bytes
        CONNACK + SUBACK + b"\x30\xff\xff\xff\x7f\0\1a" + bytes(1_000_000),   # 256 MB remaining length
        CONNACK + SUBACK + b"\x30\xe9\x82\x04\0\1a" + bytes(66_000),   # one byte more than is taken
        CONNACK + CONNACK,
        SUBACK,
    ],
    ids=["http", "zeros", "ones", "endless length", "256 MB", "65897 bytes", "two CONNACK", "SUBACK first"],
)
def test_garbage(recovers, data):
    recovers(says(data), "it sends ")


def test_random_streams(agent, engine):
    """Random ends of good beginnings, one connection after the other; the agent lives and its memory stays."""
    random.seed(3)

    def script(connection):
        connection.recv(1000)
        good = random.choice([b"", CONNACK, CONNACK + SUBACK])
        connection.sendall(good + random.randbytes(random.choice([1, 10, 1000, 30_000])))

    with ScriptedBroker(script) as hostile:
        agent.configure(hostile.port).start(quick=True)
        until(lambda: hostile.connections >= 100, "100 connections", 120)
        before_kb = agent.memory_kb()
        until(lambda: hostile.connections >= 300, "300 connections", 120)
        assert agent.memory_kb() <= before_kb + 64
        assert agent.process.poll() is None


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("agent", [64, pytest.param(32, marks=pytest.mark.long)], indirect=True)
def test_a_thousand_reconnects(agent, engine, authority, tls):
    """Memory and descriptors stay as they were after the first hundred."""
    context = server_context(authority.server("127.0.0.1"))

    def script(connection):
        if tls:
            with context.wrap_socket(connection, server_side=True) as stream:
                drops(stream)
        else:
            drops(connection)

    with ScriptedBroker(script) as hostile:
        agent.configure(hostile.port, authority.pem if tls else None).start(quick=True)
        until(lambda: hostile.connections >= 100, "100 connections", 120)
        before_kb = agent.memory_kb()
        until(lambda: hostile.connections >= 1000, "1,000 connections", 240)
        assert agent.memory_kb() <= before_kb + 64, f"{before_kb} kB before"
        until(lambda: agent.descriptors() <= 6, "no descriptor is left behind")
    assert engine.connections == 1
