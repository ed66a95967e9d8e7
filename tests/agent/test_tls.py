"""TLS: the broker's certificate must be by our CA, for the name we ask, and good today; nothing else is ever sent to."""

import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from agent.certificates import server_context
from agent.mosquitto import Mosquitto
from agent.scripted_broker import CONNACK, SUBACK, ScriptedBroker, until_gone
from agent.waiting import until


@pytest.fixture
def serve(directory):
    """A TLS broker with this certificate: serve(files) -> Mosquitto."""
    brokers = []

    def start(files):
        brokers.append(Mosquitto(directory, files).start())
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.stop()


@pytest.mark.parametrize("agent", [64, 32], indirect=True)
def test_right_certificate(agent, engine, authority, serve):
    broker = serve(authority.server("broker.example"))
    agent.configure(broker.port, authority.pem, server_name="broker.example").start()
    engine.wait_for_start()
    for i in range(40):
        engine.publish("event", b"%d" % i * 500, 1 + i)
    engine.publish("grants", bytes(60_000), 41)
    until(lambda: engine.acknowledged() == list(range(1, 42)), "acknowledged over TLS")


def test_address_in_the_certificate(agent, engine, authority, serve):
    broker = serve(authority.server("127.0.0.1"))
    agent.configure(broker.port, authority.pem).start()
    engine.wait_for_start()


def test_in_the_configuration_itself(agent, engine, authority, stranger, serve):
    """The CA's text instead of a file; it is this one that counts, not the system's."""
    broker = serve(authority.server("broker.example"))
    agent.configure(broker.port, authority.pem.read_text(), server_name="broker.example").start()
    engine.wait_for_start()
    agent.stop()
    agent.configure(broker.port, stranger.pem.read_text(), server_name="broker.example").start(quick=True)
    agent.expect_log("not correctly signed by the trusted CA")


def test_der(agent, engine, authority, serve):
    broker = serve(authority.server("broker.example"))
    agent.configure(broker.port, authority.der, server_name="broker.example").start()
    engine.wait_for_start()


@pytest.mark.parametrize(
    ("name", "days", "age_days", "by_stranger", "why"),
    [
        ("other.example", 300, 400, False, "does not match with the expected CN (asked for broker.example, on "),
        ("broker.example", -10, 400, False, "validity has expired (asked for broker.example, on "),
        ("broker.example", 300, -10, False, "validity starts in the future (asked for broker.example, on "),
        ("broker.example", 300, 400, True, "not correctly signed by the trusted CA (asked for broker.example, on "),
    ],
    ids=["wrong name", "expired", "clock in the past", "wrong CA"],
)
def test_refused(agent, engine, authority, stranger, name, days, age_days, by_stranger, why):
    """Told in one line, tried again, and neither the password nor anything else gets out."""
    with TlsServer((stranger if by_stranger else authority).server(name, days, age_days)) as server:
        agent.configure(server.port, authority.pem, server_name="broker.example").start(quick=True)
        agent.expect_log(why)
        until(lambda: server.handshakes >= 3, "tried again")
        assert server.received == b""
        assert agent.log().count("not reached") == 1  # while the server is there: without it the reason is another one
    assert engine.starts() == 0


def test_certificate_becomes_good(agent, engine, authority, serve):
    """As when the gateway's clock is set: the same agent gets in."""
    broker = serve(authority.server("broker.example", -10))
    agent.configure(broker.port, authority.pem, server_name="broker.example").start(quick=True)
    agent.expect_log("expired")
    broker.stop()
    authority.server("broker.example")   # into the same files
    broker.start()
    engine.wait_for_start()


def test_no_fall_back_to_plain(agent, engine, authority, broker):
    """TLS is asked for, and the broker speaks plain MQTT."""
    agent.configure(broker.port, authority.pem).start(quick=True)
    agent.expect_log("not reached")
    assert engine.starts() == 0


@pytest.mark.parametrize("agent", [64, 32], indirect=True)
@pytest.mark.parametrize("kind", ["plain", "tls", "all CAs"])
def test_memory_and_wakeups(agent, engine, authority, directory, serve, kind):
    """Anonymous memory after much and large work, and the sleep after it. 32-bit with all of the system's CAs has least."""
    broker = serve(None if kind == "plain" else authority.server("127.0.0.1"))
    bundle = directory / "bundle.pem"
    bundle.write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes() + authority.pem.read_bytes())
    agent.configure(broker.port, {"plain": None, "tls": authority.pem, "all CAs": bundle}[kind]).start()
    engine.wait_for_start()
    for i in range(300):
        engine.publish("event", bytes(300), 1 + i)
        if i % 30 == 0:
            engine.publish("grants", bytes(60_000))
    until(lambda: engine.acknowledged() == list(range(1, 301)), "acknowledged")
    assert agent.memory_kb() < (1024 if kind == "plain" else 2048)
    before = agent.wakeups()
    time.sleep(2)
    assert agent.wakeups() == before


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_slow_reader(agent, engine, authority, tls):
    """Writes go out in many parts; what arrives is what was sent, byte for byte."""
    context = server_context(authority.server("127.0.0.1"))
    sent = [random.randbytes(60_000) for _ in range(4)]
    got = bytearray()

    def script(connection):
        stream = context.wrap_socket(connection, server_side=True) if tls else connection
        stream.recv(1000)
        stream.sendall(CONNACK + SUBACK)
        while data := stream.recv(3000):
            got.extend(data)
            time.sleep(0.001)

    with ScriptedBroker(script, receive_bytes=16_384) as broker:
        agent.configure(broker.port, authority.pem if tls else None).start()
        engine.wait_for_start()
        for payload in sent:
            engine.publish("grants", payload)
        until(lambda: all(payload in got for payload in sent), "all of it")


def test_what_tls_holds_back(agent, engine, authority):
    """A record longer than what is read in one go: its end is in no socket that could be polled, and is read at once."""
    context = server_context(authority.server("127.0.0.1"))
    request = b"\x30" + bytes([2 + 28 + 2]) + b"\0\x1cknocklet/attic/request/close{}"
    filler = b"\x31\x7e\0\1a" + bytes(123)
    record = (filler * 127 + b"\x31" + bytes([128 - 2 - len(request)]) + b"\0\1a" + bytes(128 - 5 - len(request))) + request

    def script(connection):
        stream = context.wrap_socket(connection, server_side=True)
        stream.recv(1000)
        os.kill(agent.process.pid, signal.SIGSTOP)
        stream.sendall(CONNACK + SUBACK)
        stream.sendall(record)
        os.kill(agent.process.pid, signal.SIGCONT)
        until_gone(stream)

    assert len(record) == 16384
    with ScriptedBroker(script) as broker:
        agent.configure(broker.port, authority.pem).start()
        until(engine.requests, "the request at the end", 20)


def test_tls_broker_that_never_reads(agent, engine, authority):
    context = server_context(authority.server("127.0.0.1"))

    def script(connection):
        stream = context.wrap_socket(connection, server_side=True)
        stream.recv(1000)
        stream.sendall(CONNACK + SUBACK)
        time.sleep(30)

    with ScriptedBroker(script, receive_bytes=2048) as broker:
        agent.configure(broker.port, authority.pem).start(quick=True)
        engine.wait_for_start()
        for _ in range(8):
            engine.publish("grants", bytes(60_000))
        agent.expect_log("it does not take what is sent")
        until(lambda: broker.connections >= 3, "tried again")


def test_handshake_that_never_ends(agent, engine, authority, broker):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        agent.configure(silent.getsockname()[1], authority.pem).start(quick=True)
        agent.expect_log("its CONNACK does not come")
        first, _ = silent.accept()
        second, _ = silent.accept()
        assert first.recv(3) == second.recv(3) == b"\x16\x03\x03"   # a TLS record: the handshake's first
        first.close()
        second.close()


class TlsServer:
    """Speaks TLS with this certificate and keeps what it gets. `handshakes`: how often somebody came."""

    def __init__(self, files):
        self.handshakes = 0
        self.received = b""
        self._context = server_context(files)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(5)
            self.handshakes += 1
            try:
                with self._context.wrap_socket(client, server_side=True) as stream:
                    self.received += stream.recv(1000)
            except OSError:
                client.close()
