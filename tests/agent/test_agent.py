"""The agent as a gateway gets it, with a real broker: what it carries, what it lets through, and what it survives."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from agent.agent_process import BUILD, HERE, NAME, PASSWORD
from agent.mosquitto import Mosquitto
from agent.scripted_broker import CONNACK, SUBACK, ScriptedBroker, until_gone
from agent.waiting import until
from agent.watcher import Watcher


@pytest.mark.parametrize("agent", [64, 32], indirect=True)
def test_reports_arrive_and_are_acknowledged(agent, engine, broker, watcher):
    agent.configure(broker.port).start()
    engine.wait_for_start()
    engine.publish("state", b'{"grants_open":0}', 1, retain=True)
    engine.publish("grants", b"[" + b"0," * 15_000 + b"0]", 2, retain=True)   # more than one write
    engine.publish("response/close", b"{}")
    for i in range(40):
        engine.publish("event", b"%d" % i, 3 + i)
    until(lambda: engine.acknowledged() == list(range(1, 43)), "all acknowledged, in order")
    until(lambda: watcher.payloads("event") == [b"%d" % i for i in range(40)], "all events, in order")
    assert watcher.payloads("status") == [b"online"]
    assert watcher.payloads("response/close") == [b"{}"]
    with Watcher(broker.port) as late:
        until(lambda: late.payloads("grants"), "what is retained")
        kept = {topic for topic, _, retained in late.messages if retained}
    assert kept == {f"knocklet/{NAME}/{below}" for below in ("state", "grants", "status")} | {
        f"homeassistant/device/{NAME}/config"
    }


def test_will(agent, engine, broker, watcher):
    agent.configure(broker.port).start()
    until(lambda: watcher.payloads("status") == [b"online"], "online")
    agent.process.kill()
    until(lambda: watcher.payloads("status") == [b"online", b"offline"], "the will")


def test_nothing_is_acknowledged_without_the_broker(agent, engine, broker):
    """And what was sent meanwhile comes in order once the broker is back, wiped: the engine sends it again after START."""
    agent.configure(broker.port).start()
    engine.wait_for_start()
    broker.stop()
    agent.expect_log("lost")
    for i in range(20):
        engine.publish("event", b"%d" % i, 1 + i)
    broker.start()
    with Watcher(broker.port) as watcher:
        engine.wait_for_start(2)
        assert engine.acknowledged() == []
        for i in range(20):
            engine.publish("event", b"%d" % i, 1 + i)
        until(lambda: engine.acknowledged() == list(range(1, 21)), "all acknowledged")
        until(lambda: watcher.payloads("event") == [b"%d" % i for i in range(20)], "each once, in order")
    with Watcher(broker.port) as late:
        until(lambda: late.payloads("status") == [b"online"], "told again to the wiped broker")


def test_engine_comes_back(agent, engine, broker, watcher):
    """Tokens belong to one engine: the new one gets no acknowledgement of what the old one sent."""
    agent.configure(broker.port).start()
    engine.wait_for_start()
    engine.stop()
    agent.expect_log("engine lost")
    engine.start()
    engine.wait_for_start(2)
    engine.publish("event", b"new", 7)
    until(lambda: engine.acknowledged() == [7], "acknowledged")
    assert b"offline" not in watcher.payloads("status")


def test_late_acknowledgement(agent, engine):
    """What the dead engine had sent is acknowledged when a new one is there, that uses the same numbers: it is not told."""
    restarted = threading.Event()

    def script(connection):
        connection.recv(1000)
        connection.sendall(CONNACK + SUBACK)
        restarted.wait(30)
        for packet_id in range(1, 7):   # online, discovery and the event, twice
            connection.sendall(b"\x40\2\0" + bytes([packet_id]))
            time.sleep(0.1)   # the second three have been sent by then
        until_gone(connection)

    with ScriptedBroker(script) as broker:
        agent.configure(broker.port).start()
        engine.wait_for_start()
        engine.publish("event", b"old", 7)
        time.sleep(0.5)
        engine.stop()
        agent.expect_log("engine lost")
        engine.start()
        engine.wait_for_start(2)
        engine.publish("event", b"new", 9)
        time.sleep(0.5)
        restarted.set()
        until(engine.acknowledged, "an acknowledgement")
        assert engine.acknowledged() == [9]


def test_endless_flood(agent, engine):
    """A broker that sends faster than the agent reads: the engine's reports go all the same."""
    seen = []

    def script(connection):
        connection.recv(1000)
        connection.sendall(CONNACK + SUBACK)
        threading.Thread(target=flood, args=(connection,), daemon=True).start()
        data = b""
        while b"<through>" not in data:
            data = data[-20:] + connection.recv(10_000)
        seen.append(True)

    def flood(connection):
        with contextlib.suppress(OSError):
            while not seen:
                connection.sendall(b"\x31\3\0\1a" * 10_000)

    with ScriptedBroker(script) as broker:
        agent.configure(broker.port).start()
        engine.wait_for_start()
        time.sleep(0.5)
        engine.publish("event", b"<through>", 1)
        until(lambda: seen, "the report")


def test_engine_stays_away(agent, engine, broker, watcher):
    agent.configure(broker.port).start(quick=True)
    engine.wait_for_start()
    engine.stop()
    until(lambda: watcher.payloads("status")[-1:] == [b"offline"], "offline")
    assert f"port {broker.port}: lost" not in agent.log()
    engine.start()
    until(lambda: watcher.payloads("status")[-1:] == [b"online"], "online again")


def test_no_engine_of_ours(agent, engine, broker):
    """A name that is none, or bytes that are no message: the agent goes away and tries again, and asks no broker."""
    engine.name = "a/b#"
    agent.configure(broker.port).start()
    until(lambda: engine.connections >= 2, "tried again")
    assert "connected" not in agent.log()
    engine.name = NAME
    engine.wait_for_start()
    engine._client.send(b"?")
    agent.expect_log("engine lost")
    engine.wait_for_start(2)


def test_requests(agent, engine, broker, watcher):
    agent.configure(broker.port).start()
    engine.wait_for_start()
    watcher.send("request/close", b'{"service":"ssh"}')
    watcher.send("request/open")
    watcher.send("request/close_all", b"x" * 1025)
    watcher.send("set", b"x")
    watcher.send("request/close_all", b"x" * 1024)
    wanted = [("close", b'{"service":"ssh"}'), ("close_all", b"x" * 1024)]
    until(lambda: len(engine.requests()) >= 2, "requests")
    assert engine.requests() == wanted
    # A second gateway's, and after it one that proves that the first did not come.
    watcher.client.publish("knocklet/cellar/request/close", b"{}", 1).wait_for_publish(10)
    watcher.send("request/close", b"last")
    until(lambda: len(engine.requests()) >= 3, "the last one")
    assert engine.requests() == [*wanted, ("close", b"last")]


def test_retained_request_is_dropped(agent, engine, broker, watcher):
    watcher.send("request/close_all", b"old", retain=True)
    agent.configure(broker.port).start()
    engine.wait_for_start()
    watcher.send("request/close", b"new")
    until(engine.requests, "the new one")
    assert engine.requests() == [("close", b"new")]


def test_rate_of_requests(agent, engine, broker, watcher):
    agent.configure(broker.port).start()
    engine.wait_for_start()
    for i in range(200):
        watcher.client.publish(f"knocklet/{NAME}/request/close", b"%d" % i, 1)
    watcher.send("event", b"sent")
    until(lambda: watcher.payloads("event"), "all are through the broker")
    first = engine.requests()
    assert first[:10] == [("close", b"%d" % i) for i in range(10)]
    # Much less than 200, however slow this machine is: 10 at once, then 5 a second.
    assert len(engine.requests()) < 100


def test_engine_that_does_not_read(agent, engine, broker, watcher):
    """It would wait for ever for an acknowledgement that its socket had no room for: a new connection, and START."""
    agent.configure(broker.port).start()
    engine.wait_for_start()
    engine.reading = False
    with pytest.raises(OSError):
        for i in range(10_000):
            engine.publish("event", b"x", 1 + i)
    agent.expect_log("engine lost")
    engine.reading = True
    engine.wait_for_start(2)
    engine.publish("event", b"x", 20_000)
    until(lambda: engine.acknowledged()[-1:] == [20_000], "acknowledged")


def test_home_assistant_birth(agent, engine, broker, watcher):
    agent.configure(broker.port).start(quick=True)
    engine.wait_for_start()
    topic = f"homeassistant/device/{NAME}/config"
    configs = lambda: [json.loads(payload) for found, payload, _ in list(watcher.messages) if found == topic]  # noqa: E731
    until(lambda: len(configs()) == 1, "discovery")
    watcher.client.publish("homeassistant/status", b"online", 0).wait_for_publish(10)
    engine.wait_for_start(2)
    until(lambda: len(configs()) == 2, "discovery again")
    assert configs()[0] == configs()[1]
    watcher.client.publish("homeassistant/status", b"offline", 0).wait_for_publish(10)
    watcher.send("request/close", b"after")
    until(engine.requests, "the request after it")
    assert engine.starts() == 2


def test_without_home_assistant(agent, engine, broker, watcher):
    agent.configure(broker.port, home_assistant=False).start()
    engine.wait_for_start()
    engine.publish("event", b"last", 1)
    until(lambda: watcher.payloads("event"), "an event")
    assert not [topic for topic, _, _ in watcher.messages if topic.startswith("homeassistant")]


def test_password_shows_nowhere(agent, engine, broker):
    agent.configure(broker.port).start()
    engine.wait_for_start()
    process = f"/proc/{agent.process.pid}"
    with open(f"{process}/cmdline") as cmdline, open(f"{process}/environ") as environ:
        assert PASSWORD not in cmdline.read() + environ.read() + agent.log()


def test_name_that_does_not_resolve(agent, engine, broker):
    agent.configure(broker.port, host="no-such-host.invalid").start(quick=True)
    agent.expect_log("the name does not resolve")
    assert engine.connections == 1
    agent.stop()
    agent.configure(broker.port).start(quick=True)
    engine.wait_for_start()


def test_name_that_resolves_late(agent, engine, broker):
    agent.configure(broker.port, host="late.example").start(quick=True)
    agent.expect_log("the name does not resolve ([addrinfo error -2]); next try")
    engine.wait_for_start()
    assert engine.connections == 1


def test_slow_resolver(agent, engine, broker):
    """It takes longer than a connection may: that is no reason not to connect."""
    agent.configure(broker.port, host="slow.example").start(quick=True)
    engine.wait_for_start()
    assert "not reached" not in agent.log()


@contextlib.contextmanager
def deaf(port):
    """127.0.0.9 answers nothing at this port: its queue is full."""
    with socket.socket() as full, contextlib.ExitStack() as opened:
        full.bind(("127.0.0.9", port))
        full.listen(0)
        for _ in range(4):
            filler = opened.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.9", port))
        yield


def test_all_addresses_of_a_name(agent, engine, broker):
    """::1 refuses, 127.0.0.9 never answers, 127.0.0.1 is the one: all in one attempt."""
    with deaf(broker.port):
        agent.configure(broker.port, host="many.example").start(quick=True)
        engine.wait_for_start()
    assert "not reached" not in agent.log()


def test_address_that_never_answers(agent, engine, broker):
    with deaf(broker.port):
        agent.configure(broker.port, host="deaf.example").start(quick=True)
        agent.expect_log("not reached: no connection (no answer); next try")


def test_keep_alive(agent, engine, broker):
    """Idle for several times the keep-alive (1 s): mosquitto would end it after 1.5 s without a ping."""
    agent.configure(broker.port).start(quick=True)
    engine.wait_for_start()
    time.sleep(4)
    engine.publish("event", b"x", 1)
    until(engine.acknowledged, "acknowledged")
    assert "lost" not in agent.log()


@pytest.mark.parametrize("bits", [64, 32])
def test_without_tls(agent, engine, broker, authority, bits):
    """A MicroPython that has none: plain works and is said, TLS is refused with the name of the package."""
    command = agent.configure(broker.port).command()
    command[0] = BUILD / "micropython" / str(bits) / "micropython"
    command[1:2] = [HERE / "without_tls.py", BUILD / "firmware"]
    agent.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    line = agent.process.stderr.readline()
    assert line == "knocklet-agent: the connection to the broker is plain: no TLS in this MicroPython\n"
    engine.wait_for_start()
    agent.stop()
    agent.configure(broker.port, authority.pem).command()
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("knocklet-agent: broker.tls: found true, this MicroPython has no TLS; ")
    assert "micropython-mbedtls" in ran.stderr


def test_another_name(agent, engine, broker, watcher):
    """The engine comes back under another name: its will is the old one's, its topics are the new one's."""
    agent.configure(broker.port).start(quick=True)
    engine.wait_for_start()
    engine.stop()
    engine.name = "cellar"
    engine.start()
    engine.wait_for_start(2)
    engine.publish("event", b"x", 1)
    until(lambda: ("knocklet/cellar/event", b"x", False) in watcher.messages, "the new one's event")
    assert ("knocklet/cellar/status", b"online", False) in watcher.messages
    until(lambda: watcher.payloads("status")[-1:] == [b"offline"], "the old one's will")
    watcher.client.publish("knocklet/cellar/request/close", b"{}", 1).wait_for_publish(10)
    until(lambda: engine.requests() == [("close", b"{}")], "a request to the new one")


def test_status_without_engine(agent, engine, broker, watcher):
    """A broker that has kept `online` from better times is put right."""
    agent.configure(broker.port).start(quick=True)
    engine.wait_for_start()
    engine.stop()
    agent.expect_log("engine lost")
    broker.stop()
    agent.expect_log("lost: it closed")
    time.sleep(1.5)   # the engine has been away for longer than it may be unnoticed
    broker.start()
    with Watcher(broker.port) as late:
        until(lambda: late.payloads("status") == [b"offline"], "offline")


def test_dropped_messages_are_counted(agent, engine, broker, watcher):
    agent.configure(broker.port).start(quick=True)
    engine.wait_for_start()
    for _ in range(3):
        watcher.client.publish(f"knocklet/{NAME}/request/open", b"{}", 1)
    watcher.send("request/close", b"{}")
    agent.expect_log("3 messages from the broker dropped, 1 passed on")


def test_nothing_old_overtakes(agent, engine):
    """What the engine had sent before START is let go: it comes again, in its place.

    The agent stands still while that and CONNACK arrive, so that it finds both at once; which one first is up to chance.
    """
    rounds, overtaken = [], []

    def script(connection):
        starts = engine.starts()
        connection.recv(1000)
        os.kill(agent.process.pid, signal.SIGSTOP)
        engine.publish("event", b"<old>", 5)
        connection.sendall(CONNACK + SUBACK)
        os.kill(agent.process.pid, signal.SIGCONT)
        until(lambda: engine.starts() > starts, "START")
        engine.publish("event", b"<new>", 6)
        seen = b""
        while b"<new>" not in seen:
            seen += connection.recv(10_000)
        rounds.append(connection)
        if b"<old>" in seen:
            overtaken.append(connection)
        for _ in range(20):   # more than may be in flight: the engine's socket is left alone then, and taken up again
            engine.publish("event", b"<more>")
        if len(rounds) >= 40:
            until_gone(connection)

    with ScriptedBroker(script) as broker:
        agent.configure(broker.port).start(quick=True)
        until(lambda: len(rounds) >= 40, "40 rounds")
        assert overtaken == []


@pytest.fixture
def closed_broker(directory):
    """It knows one user, the gateway's; `rules`: what that may."""
    made = []

    def start(rules):
        passwords, acl = directory / "passwords", directory / "acl"
        subprocess.run(["/usr/bin/mosquitto_passwd", "-b", "-c", passwords, NAME, PASSWORD], check=True, capture_output=True)
        acl.write_text(rules)
        acl.chmod(0o600)
        made.append(Mosquitto(directory, more=f"allow_anonymous false\npassword_file {passwords}\nacl_file {acl}").start())
        return made[-1]

    yield start
    for broker in made:
        broker.stop()


def test_user_of_the_broker(agent, engine, closed_broker):
    """User name and client id are the gateway's name; a wrong password is refused in one line."""
    broker = closed_broker("pattern write knocklet/%u/#\npattern read knocklet/%c/request/#\n")
    agent.configure(broker.port, password="wrong").start(quick=True)
    agent.expect_log("not reached: it ")
    agent.stop()
    agent.configure(broker.port, home_assistant=False).start(quick=True)
    engine.wait_for_start()
    engine.publish("event", b"x", 1)
    until(lambda: engine.acknowledged() == [1], "acknowledged")
    assert "refuses the subscription" not in agent.log()


def test_refused_subscription(agent, engine):
    """It is said, and reports still go."""

    def script(connection):
        connection.recv(1000)
        connection.sendall(CONNACK + b"\x90\5\xff\xff\x80\1\1")
        until_gone(connection)

    with ScriptedBroker(script) as broker:
        agent.configure(broker.port).start()
        agent.expect_log(f"it refuses the subscription to knocklet/{NAME}/request/+\n")
        engine.wait_for_start()


def test_ten_thousand_retained_messages(agent, engine, broker, watcher):
    """All below request/: the broker hands them out as soon as the agent is there. None counts, and it goes on."""
    for i in range(10_000):
        watcher.client.publish(f"knocklet/{NAME}/request/{i}", b"x" * 100, 0, retain=True)
    watcher.send("request/close", b"retained", retain=True)
    agent.configure(broker.port).start()
    engine.wait_for_start()
    engine.publish("event", b"x", 1)
    until(lambda: engine.acknowledged() == [1], "acknowledged")
    watcher.send("request/close", b"new")
    until(engine.requests, "the new one")
    assert engine.requests() == [("close", b"new")]
    assert "lost" not in agent.log()
