"""The connection to the broker, when that is silent, sends garbage, or sends without end: one line, exit 4, in bounded time."""

import gc
import os
import random
import socket
import threading

import pytest

from knocklet_tool import mqtt
from knocklet_tool.errors import BrokerError
from knocklet_tool.mqtt import Link
from knocklet_tool.settings import Broker

CONNACK = b"\x20\x03\x00\x00\x00"


@pytest.fixture
def wrong_broker(home, knocklet):
    """`wrong_broker(talk)`: whoever connects is left to talk(connection); the tool uses it."""
    listening = socket.create_server(("127.0.0.1", 0))
    threads = []

    def start(talk, *words):
        def serve():
            listening.settimeout(20)
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(20)
                try:
                    talk(connection)
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        knocklet("gateway", "add", "home")
        words = words or ["--no-tls"]
        assert knocklet("broker", "use", "127.0.0.1", "--port", listening.getsockname()[1], *words).exit_code == 0

    yield start
    listening.close()
    gc.collect()   # the errors that the tests have looked at hold the sockets
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(mqtt, "_CONNECT_S", 0.5)
    monkeypatch.setattr(mqtt, "_ANSWER_S", 0.5)


def failed(result):
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.startswith("knocklet: broker 127.0.0.1:") and result.stderr.count("\n") == 1
    return result.stderr


def connected(connection):
    connection.recv(4096)
    connection.sendall(CONNACK)


def test_silent(impatient, wrong_broker, knocklet):
    wrong_broker(lambda connection: None)
    assert "it does not answer" in failed(knocklet("status"))


def test_silent_instead_of_tls(impatient, wrong_broker, knocklet, home):
    wrong_broker(lambda connection: None, "--user", "admin", "--password-file", _password(home))
    assert "no answer within 0.5 s" in failed(knocklet("status"))


def test_plain_instead_of_tls(wrong_broker, knocklet, home):
    """Nothing of the password is told to it."""
    heard = []

    def talk(connection):
        heard.append(connection.recv(4096))
        connection.sendall(CONNACK)

    wrong_broker(talk, "--user", "admin", "--password-file", _password(home))
    assert "no TLS with it" in failed(knocklet("status"))
    assert heard and b"hunter2" not in heard[0]


def _password(home):
    (home / "password").write_text("hunter2")
    return home / "password"


def test_silent_after_it_let_us_in(impatient, wrong_broker, knocklet):
    wrong_broker(connected)
    assert "it does not answer" in failed(knocklet("status"))


def test_it_hangs_up(wrong_broker, knocklet):
    wrong_broker(lambda connection: (connected(connection), connection.shutdown(socket.SHUT_RDWR)))
    assert "the connection ended" in failed(knocklet("status"))


def test_endless_packet(wrong_broker, knocklet):
    """256 MB announced: it ends long before."""
    sent = []

    def talk(connection):
        connected(connection)
        connection.sendall(b"\x30\xff\xff\xff\x7f")
        while True:
            connection.sendall(bytes(65536))
            sent.append(1)

    wrong_broker(talk)
    assert "it sends more than was asked for" in failed(knocklet("status"))
    assert len(sent) < 200   # what kernels keep: of it nothing was read


def test_endless_messages(wrong_broker, knocklet):
    packet = b"\x00\x10knocklet/x/event\x00{}"

    def talk(connection):
        connected(connection)
        while True:
            connection.sendall((b"\x30" + bytes([len(packet)]) + packet) * 1000)

    wrong_broker(talk)
    assert "it sends more than was asked for" in failed(knocklet("status"))


def test_qos_2_that_is_never_released(impatient, wrong_broker, knocklet):
    """Each would be kept for ever: the first is the last."""
    packet = b"\x00\x10knocklet/x/event\x00\x01\x00{}"
    wrong_broker(lambda connection: (connected(connection), connection.sendall(b"\x34" + bytes([len(packet)]) + packet)))
    assert "it sends with QoS 2, which was not asked for" in failed(knocklet("status"))


@pytest.mark.parametrize("seed", range(16))
def test_garbage(impatient, wrong_broker, knocklet, seed):
    chance = random.Random(seed)

    def talk(connection):
        if seed % 2:
            connected(connection)
        data = bytes(chance.randrange(256) for _ in range(400))
        if seed % 3:   # packets of the right length, at least
            parts = [data[i : i + chance.randrange(90)] for i in range(0, 400, 9)]
            data = b"".join(bytes([chance.randrange(256), len(part)]) + part for part in parts)
        connection.sendall(data)

    wrong_broker(talk)
    failed(knocklet("status"))


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("talk", ["silent", "garbage", "hangs up"])
def test_no_descriptor_stays_behind(monkeypatch, tls, talk):
    """A collector tries again for days."""
    monkeypatch.setattr(mqtt, "_CONNECT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        accepted = threading.Thread(target=_accept, args=(listening, talk), daemon=True)
        accepted.start()
        broker = Broker("127.0.0.1", listening.getsockname()[1], tls)
        gc.collect()
        gc.disable()
        try:
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(40):
                with pytest.raises(BrokerError):
                    Link(broker)
            after = len(os.listdir("/proc/self/fd"))
        finally:
            gc.enable()
            listening.shutdown(socket.SHUT_RDWR)
            accepted.join(20)
    assert after - before < 10   # the one or two that our own end of this test still has


def _accept(listening, talk):
    kept = []
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            break
        if talk == "garbage":
            connection.sendall(b"\x30\x02\xff\xff" * 10)
        if talk == "silent":
            kept = kept[-2:] + [connection]
        else:
            connection.close()
