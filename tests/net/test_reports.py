"""What the engine reports to its agent, what it takes from him, and what a captured agent can do: nothing.

    engine (gateway) <-- AF_UNIX SOCK_SEQPACKET --> an agent that the test plays
"""

import json
import os
import random
import shutil
import socket
import stat
import subprocess
import time

import pytest
from net.clients import in_use
from net.marks import one_firewall

from knocklet.core import agent_messages
from knocklet.core.outbox import PLACES
from lab.waiting import wait_until

from .fake_agent import FakeAgent

KEY = bytes(range(32))
STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
SHUT = ["8000/tcp", "7000/tcp"]
NOBODY = 65534


@pytest.fixture
def config(config):
    config["id"] = "home"
    config["sequences"]["front"]["open"] = ["ssh"]
    return config


@pytest.fixture
def engine(engine):
    engine.write_key(KEY)
    return in_use(engine)


@pytest.fixture
def agent(dut):
    with FakeAgent(dut, KEY) as agent:
        agent.start()
        yield agent


def test_a_knock_is_reported(lab, dut, agent):
    assert agent.name == "home"
    started = agent.expect("event", event_type="started")[1]
    assert started["restored"] == 0 and started["boot"] > 1_700_000_000
    for topic in ("info", "state", "grants", "config"):
        agent.expect(topic)
    lab.knock(STEPS)
    content = agent.expect("event", event_type="opened", service="ssh", client="front", source=lab.client.ip4)[1]
    assert abs(content["ts"] - time.time()) < 5
    agent.expect("state", grants_open=1)
    assert agent.expect("grants")[1]["grants"] == [
        {"service": "ssh", "client": "front", "source": lab.client.ip4, "since": pytest.approx(content["ts"], abs=2),
         "ends": pytest.approx(content["ts"] + 30, abs=2)}
    ]  # fmt: skip
    lab.knock(SHUT)
    agent.expect("event", event_type="closed", service="ssh", reason="sequence")
    assert agent.expect("grants")[1]["grants"] == []


@one_firewall
def test_retained_topics_say(lab, dut, agent, config):
    info = agent.expect("info")[1]
    assert info["version"] and info["micropython"].startswith("1.") and info["firewall"] == "nft"
    assert info["interfaces"] == ["wan0"]
    content = agent.expect("config")[1]
    assert content["services"] == sorted(config["services"]) and content["clients"] == sorted(config["sequences"])
    text = json.dumps(content)
    for secret in ("7000", "9100", "8000", "192.168.1.50", "8080"):
        assert secret not in text.replace(content["sha256"], "").replace(str(content["ts"]), "")


@one_firewall
def test_seq_has_no_gap_and_repeats_are_the_same(lab, dut, agent):
    """A broker that comes back gets what it had not acknowledged, byte for byte, in order."""
    dut.open_and_shut(4)
    seen = [agent.expect("event", acknowledge=False) for _ in range(6)]
    assert [content["seq"] for _, content in seen] == list(range(1, 7))
    agent.acknowledge(seen[0][0])
    agent.acknowledge(seen[1][0])
    agent.start()
    again = []
    while not again or again[-1][1]["seq"] != 9:
        again.append(agent.expect("event", acknowledge=False))
        if len(again) > 2:
            agent.acknowledge(again[-3][0])
    first = next(i for i, (_, content) in enumerate(again) if content["seq"] == 3)
    assert [content["seq"] for _, content in again[first:]] == list(range(3, 10))
    assert again[first : first + 4] == seen[2:6]


@one_firewall
def test_no_more_than_a_window_without_acknowledgement(lab, dut, agent):
    dut.open_and_shut(8)
    events = [message for message in agent.nothing_for(2) if message[2] == "event"]
    assert [content["seq"] for *_, content in events] == list(range(1, 9))


@one_firewall
def test_events_wait_for_the_agent_and_outlive_the_engine(lab, dut):
    """kill -9 of the engine while nobody takes its events: none is lost, and the new ones are of a new boot."""
    lab.knock(STEPS)
    dut.expect_event("opened")
    dut.restart()
    lab.knock(SHUT)
    lab.knock(STEPS)
    dut.expect_event("opened")
    with FakeAgent(dut, KEY) as agent:
        agent.start()
        found = [agent.expect("event")[1] for _ in range(6)]
    first = [(1, "clock_trusted"), (2, "started"), (3, "opened")]
    assert [(event["seq"], event["event_type"]) for event in found[:5]] == first + first[:2]
    assert {event["boot"] for event in found[:3]} < {event["boot"] for event in found}
    assert len({event["boot"] for event in found[3:]}) == 1 and found[4]["restored"] == 1


@one_firewall
def test_a_full_outbox_counts_what_it_drops(lab, dut):
    """Nobody takes anything: noise goes first, then the oldest; the number is told when there is room again, and is exact."""
    rounds = PLACES // 2 + 20
    dut.open_and_shut(rounds)
    with FakeAgent(dut, KEY) as agent:
        agent.start()
        seqs, told = [], 0
        while len(seqs) < PLACES + 1:
            content = agent.expect("event")[1]
            seqs.append(content["seq"])
            if content["event_type"] == "dropped":
                told = content["count"]
                assert content["grants"] == told - 2  # the two of the start have made room first
    made = 2 + 2 * rounds  # clock_trusted, started, opened and closed each
    assert told == made - PLACES
    assert seqs == list(range(made - PLACES + 1, made + 2))  # the last one tells how many


@one_firewall
def test_noise_is_summed_up(lab, dut, agent):
    """However often a source sweeps: one event, not one for each."""
    decoys = dut.ctl("status")["decoys"]
    assert decoys > 0
    agent.expect("event", event_type="started")
    with lab.flood("7000/tcp", rate=6000):
        content = agent.expect("event", event_type="flood", timeout_s=10)[1]
        assert content["interface"] == "wan0"
        time.sleep(3)
    assert [m for m in agent.nothing_for(1) if m[2] == "event" and m[3]["event_type"] == "flood"] == []


# Close from anywhere


def test_plain_close_cuts(lab, dut, agent):
    lab.knock(STEPS)
    agent.expect("event", event_type="opened", service="ssh")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    agent.request("close", b'{"transaction": "t1", "service": "ssh", "source": "%s"}' % lab.client.ip4.encode())
    agent.expect("event", event_type="closed", service="ssh", reason="owner")
    answer = agent.expect("response/close")[1]
    assert (answer["status"], answer["data"], answer["transaction"]) == ("ok", {"closed": 1}, "t1")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "silent"


@one_firewall
def test_close_ends_what_outlives_its_grant(lab, engine, config):
    """A connection may finish when its grant has ended; the owner's close ends it all the same."""
    config["services"]["ssh"]["ttl"] = 1
    engine.write_config(config)
    engine.start()
    with FakeAgent(engine, KEY) as agent:
        agent.start()
        lab.knock(STEPS)
        agent.expect("event", event_type="opened", service="ssh")
        with lab.client.inside():
            going = socket.create_connection((lab.gateway.ip4, 22), timeout=5)
        with going:
            assert going.recv(100).startswith(b"SSH-2.0")
            agent.expect("event", event_type="expired", service="ssh")
            entries = ["conntrack", "-L", "-p", "tcp", "--orig-port-dst", "22", "-s", lab.client.ip4]
            assert "ESTABLISHED" in lab.gateway.run(entries).stdout
            agent.request("close_all", b"")
            agent.expect("response/close_all")
            assert "ESTABLISHED" not in lab.gateway.run(entries).stdout


@one_firewall
def test_an_overflow_does_not_stop_delivery(lab, dut):
    """Events on their way are dropped for newer ones: what is acknowledged then still makes way for the next."""
    with FakeAgent(dut, KEY) as agent:
        agent.start()
        held = [agent.expect("event", acknowledge=False)]
        dut.open_and_shut(PLACES // 2 + 10)
        while len(held) < 8:
            held.append(agent.expect("event", acknowledge=False))
        for token, _ in held:
            agent.acknowledge(token)
        last = 1 + 2 * (PLACES // 2 + 10)
        while agent.expect("event")[1]["seq"] < last:
            pass


@one_firewall
def test_plain_close_all(lab, dut, agent):
    lab.knock(STEPS)
    agent.expect("event", event_type="opened", service="ssh")
    agent.request("close_all", b'{"transaction": "ha"}')
    agent.expect("event", event_type="closed", service="ssh")
    assert agent.expect("response/close_all")[1]["data"] == {"closed": 1}


HOSTILE = (
    b"[]", b"{", b"\0", b'{"service": 1}', b'{"service": "nobody"}', b'{"service": "ssh", "source": "x"}', b'{"open": "ssh"}',
    b'{"service": "ssh", "service": "ssh"}', b'{"service":"' + b"s" * 900 + b'"}', b'{"a":' * 9 + b"1" + b"}" * 9,
    b'{"transaction": 1}', b"\xff" * 100, b'{"service": "ssh", "ttl": 99999999999}', b'{"service": "ssh\\n\\u0000"}',
)  # fmt: skip


@one_firewall
def test_nothing_else_plain_does_anything(lab, dut, agent):
    lab.knock(STEPS)
    agent.expect("event", event_type="opened", service="ssh")
    for payload in HOSTILE:
        agent.request("close", payload)
        answer = agent.expect("response/close")[1]
        assert answer["status"] == "error" and answer["error"], payload
        assert "\n" not in answer["error"]
        time.sleep(0.25)  # five a second are answered
    for verb in ("open", "approve", "config", "reload", "rollback", "arm", "", "x" * 200):
        agent.request(verb, b'{"service": "ssh"}')
    assert [message for message in agent.nothing_for(1) if message[2].startswith("response")] == []
    assert [grant["service"] for grant in dut.ctl("grants")["grants"]] == ["ssh"]


# Who may, and what a captured agent can do


def test_only_the_agents_user_may_connect(lab, dut):
    path = f"{dut.run_dir}-agent/engine"
    found = os.stat(path)
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o600, NOBODY, 0)
    folder = os.stat(f"{dut.run_dir}-agent")
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid) == (0o755, 0)
    program = (
        "import os, socket, sys; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]));"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(5); s.connect(sys.argv[1]); print(s.recv(99))"
    )
    allowed, refused = (
        subprocess.run(["python3", "-c", program, path, str(uid)], capture_output=True, text=True) for uid in (NOBODY, 1)
    )
    assert "home" in allowed.stdout
    assert refused.returncode and "PermissionError" in refused.stderr


@one_firewall
def test_the_newest_agent_is_the_one(lab, dut):
    with FakeAgent(dut, KEY) as old, FakeAgent(dut, KEY) as new:
        new.start()
        new.expect("event", event_type="started")
        assert old.socket.recv(10) == b""


@one_firewall
@pytest.mark.parametrize("messages", [100_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_a_captured_agent(lab, dut, messages):
    """Arbitrary messages, as fast as they go: the engine closes on nonsense, pauses on too many, and knocks open all along."""
    numbers = random.Random(5)
    stock = [
        agent_messages.START, agent_messages.acknowledge(1), agent_messages.acknowledge(2**32 - 1),
        agent_messages.request("close", b'{"service": "nobody"}'), agent_messages.request("open", b"{}"),
        agent_messages.hello("x"), b"", b"Z" * 1300,
    ]  # fmt: skip
    before = dut.ctl("status")
    sent = 0
    path = f"{dut.run_dir}-agent/engine"
    knocked = 0
    captured = None
    while sent < messages:
        if captured is None:
            captured = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            captured.settimeout(0.2)
            try:
                captured.connect(path)
            except OSError:
                captured = None
                sent += 1
        try:
            for _ in range(1000):
                if captured is None:
                    break
                message = numbers.choice(stock) if numbers.random() < 0.5 else numbers.randbytes(numbers.randrange(1, 60))
                captured.setblocking(False)
                sent += 1
                captured.send(message)
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            captured.close()
            captured = None
        if sent // (messages // 10) > knocked:
            knocked += 1
            lab.knock(STEPS)
            dut.expect_event("opened")
            assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
            lab.knock(SHUT)
            dut.expect_event("closed")
    if captured:
        captured.close()
    assert knocked >= 9
    after = dut.ctl("status")
    assert after["agent"]["paused"] > 0 and after["agent"]["bad_messages"] > 0
    assert after["heap_alloc_bytes"] - before["heap_alloc_bytes"] < 100_000
    with FakeAgent(dut, KEY) as agent:
        agent.start()
        agent.expect("state")


@one_firewall
def test_an_agent_that_stands_still(lab, dut, agent):
    """It reads nothing for a while: the engine neither waits nor forgets."""
    dut.open_and_shut(30)
    seqs = []
    while len(seqs) < 61:
        seqs.append(agent.expect("event")[1]["seq"])
    assert seqs == list(range(1, 62))


# Without what it needs


@one_firewall
@pytest.mark.parametrize("missing", ["key", "user"])
def test_without_a_key_or_a_user(lab, engine, missing):
    if missing == "key":
        engine.config_path.with_name("key").unlink()
    else:
        command = engine.command
        engine.command = lambda *arguments: [*command(*arguments), "--agent-user", "no-such-user"]
    engine.start()
    warnings = engine.ctl("status")["warnings"]
    assert any(line.startswith("nothing is reported: no " + ("file" if missing == "key" else "user")) for line in warnings)
    lab.knock(STEPS)
    engine.expect_event("opened")
    if missing == "key":  # a reload is enough when it has come
        engine.write_key(KEY)
        assert engine.reload()["warnings"] == []
        with FakeAgent(engine, KEY) as agent:
            agent.start()
            agent.expect("state", grants_open=1)


@one_firewall
@pytest.mark.parametrize("key, mode, words", [(KEY, 0o640, "others may read"), (KEY[:31], 0o600, "found 31 bytes")])
def test_a_bad_key(lab, engine, key, mode, words):
    engine.write_key(key)
    os.chmod(engine.config_path.with_name("key"), mode)
    done = lab.gateway.run(engine.command(), check=False)
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count("\n") == 1


@one_firewall
def test_starts_that_cannot_be_counted(lab, engine):
    """No state directory can be made: it goes on, and says so."""
    shutil.rmtree(engine.state_dir)
    engine.state_dir.touch()
    boots = []
    for _ in range(2):
        engine.start()
        with FakeAgent(engine, KEY) as agent:
            agent.start()
            while True:
                boot = agent.expect("event", event_type="store_failed")[1]["boot"]
                if boot not in boots:
                    break
            agent.expect("event", event_type="started", boot=boot)
        boots.append(boot)
        engine.kill()
    assert boots[0] < boots[1]


@one_firewall
def test_a_name_changes_with_a_restart_only(lab, dut, config):
    config["id"] = "elsewhere"
    dut.write_config(config)
    with pytest.raises(Exception, match="another one only with a restart"):
        dut.reload()
    wait_until(lambda: dut.ctl("status")["sequences"] == 2, "it goes on as it was")
