"""The whole way: engine and agent on the gateway, a real mosquitto with TLS and the `knocklet` command on mgmt.

    client --knock--> engine --AF_UNIX--> agent --TLS--> mosquitto (mgmt) --TLS--> knocklet (mgmt)
"""

import json
import queue
import signal
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from knocklet.wire import report
from lab.owner import NAME, Owner
from lab.waiting import wait_until

STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
SHUT = ["8000/tcp", "7000/tcp"]


@pytest.fixture(params=["nft"])
def firewall(request):
    return request.param


@pytest.fixture
def config(config):
    config["id"] = NAME
    config["sequences"]["front"]["open"] = ["ssh"]
    return config


@pytest.fixture
def owner(lab, engine):
    owner = Owner(lab, engine.config_path.parent, engine.run_dir)
    owner.set_up()
    return owner


@pytest.fixture
def watched(owner, engine):
    """All of it runs, and the gateway is online."""
    owner.start_collector()
    engine.start()
    owner.start_agent()
    owner.wait_until_online()
    return owner


def test_a_knock_is_seen_and_shut_from_the_sofa(lab, engine, watched):
    wait_until(lambda: watched.log("--type", "started"), "it is collected", timeout_s=20)
    lab.knock(STEPS)
    engine.expect_event("opened", service="ssh")
    opened = wait_until(lambda: watched.log("--type", "opened"), "it is in the log", timeout_s=20)
    assert (opened[0]["service"], opened[0]["source"], opened[0]["client"]) == ("ssh", lab.client.ip4, "front")
    wait_until(lambda: lab.client.ip4 in watched.knocklet("grants", NAME, "--json").stdout, "the grant is listed")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    watched.knocklet("close", NAME, "ssh")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "silent"
    closed = wait_until(lambda: watched.log("--type", "closed"), "its end is in the log", timeout_s=20)
    assert closed[0]["reason"] == "owner"


def test_the_broker_is_away(lab, engine, watched):
    """Hours are simulated by events: everything about grants arrives later, in order, nothing twice and nothing missing."""
    watched.stop_broker()
    engine.open_and_shut(20)
    watched.start_broker()
    wait_until(lambda: len(watched.log("--type", "closed")) == 20, "all have arrived", timeout_s=30)
    events = [event for event in watched.log() if event["event_type"] in ("opened", "closed")]
    assert [event["event_type"] for event in events] == ["opened", "closed"] * 20
    assert "missing" not in watched.knocklet("log", NAME).stderr


def test_the_broker_is_wiped(lab, engine, watched):
    """It has forgotten all it had retained, and who wanted what: everything retained is there again, and events go on."""
    watched.stop_broker(wipe=True)
    watched.start_broker()
    watched.wait_until_online()
    watched.wait_until_collecting(2)
    lab.knock(STEPS)
    engine.expect_event("opened")
    wait_until(lambda: watched.log("--type", "opened"), "it is in the log", timeout_s=30)


def test_the_agent_is_killed(lab, engine, watched):
    """kill -9 at any moment: nothing of a grant is lost."""
    for number in range(6):
        lab.knock(STEPS)
        engine.expect_event("opened")
        lab.knock(SHUT)
        engine.expect_event("closed")
        if number % 2:
            watched.kill_agent()
            watched.start_agent()
    wait_until(lambda: len(watched.log("--type", "closed")) == 6, "all have arrived", timeout_s=30)
    seqs = [event["seq"] for event in watched.log()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert "missing" not in watched.knocklet("log", NAME).stderr


def test_the_engine_is_killed(lab, engine, watched):
    """kill -9 of the engine: its events are not lost, the gateway is told offline or comes back, and all goes on."""
    for _ in range(3):
        lab.knock(STEPS)
        engine.expect_event("opened")
        engine.restart()
        lab.knock(SHUT)
    wait_until(lambda: len(watched.log("--type", "started")) == 4, "all four starts have arrived", timeout_s=30)
    lab.knock(STEPS)
    engine.expect_event("opened")
    newest = watched.log("--type", "started")[-1]["boot"]
    wait_until(lambda: watched.log("--type", "opened")[-1]["boot"] == newest, "it goes on", timeout_s=30)
    assert "missing" not in watched.knocklet("log", NAME).stderr


@pytest.mark.parametrize("fault", ["stopped", "dead", "broker stopped"])
def test_knocks_do_not_notice(lab, engine, watched, fault):
    """The agent stands still or is dead, or its broker stands still: knocks open as ever."""
    process = watched.broker if fault == "broker stopped" else watched.agent
    process.send_signal(signal.SIGSTOP if "stopped" in fault else signal.SIGKILL)
    try:
        engine.open_and_shut(60)
    finally:
        process.send_signal(signal.SIGCONT)
    if fault == "dead":
        watched.kill_agent()
        watched.start_agent()
    wait_until(lambda: len(watched.log("--type", "closed")) >= 60, "all have arrived", timeout_s=30)


def test_what_the_agent_cannot_do(lab, engine, watched):
    """As its user: no key, no files of the engine, no control socket, no rules."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{watched.agent.pid}/status").read_text().splitlines())
    assert status["Uid"].split() == ["65534"] * 4 and status["Groups"].split() == []
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"].strip() == "1"
    as_agent = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    refused = (
        ["cat", watched.etc / "key"], ["cat", watched.etc / "config.json"], ["cat", watched.etc / "agent.json"],
        ["ls", engine.run_dir], ["cat", engine.run_dir / "outbox"],
        ["nft", "list", "ruleset"], ["nft", "flush", "ruleset"], ["ipset", "list"],
        engine.ctl_command("status"),
        ["python3", "-c", "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"],
    )  # fmt: skip
    for command in refused:
        done = lab.gateway.run([*as_agent, *command], check=False)
        assert done.returncode != 0 and not done.stdout, command
    assert "table inet knocklet" in lab.gateway.run(["nft", "list", "ruleset"]).stdout
    for command in refused[:5]:  # root may: it is the user that makes the difference
        assert lab.gateway.run(command, check=False, text=False).returncode == 0, command


def test_secrets_are_nowhere(lab, engine, watched):
    """Neither the key nor a password in any command line, log or topic."""
    secrets = [watched.password(NAME), watched.password("admin"), (watched.etc / "key").read_bytes().hex()]
    lab.knock(STEPS)
    engine.expect_event("opened")
    texts = [watched.agent_log(), watched.knocklet("status", NAME).stdout, watched.knocklet("gateway", "list").stdout]
    texts += [path.read_bytes().decode("latin1") for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
    for secret in secrets:
        for text in texts:
            assert secret not in text


def readable(path):
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


class HomeAssistant:
    """What its MQTT integration does: the user `homeassistant`, discovery and states as they come, a birth, a button."""

    def __init__(self, owner):
        self.messages = queue.SimpleQueue()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.tls_set(ca_certs=str(owner.ca))
        self._client.username_pw_set("homeassistant", owner.password("homeassistant"))
        self._client.on_message = lambda *found: self.messages.put((found[2].topic, json.loads(found[2].payload or b"null")))
        with owner.lab.mgmt.inside():
            self._client.connect(owner.lab.mgmt.ip4, 8883)
        self._client.loop_start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, topic):
        self._client.subscribe(topic, 1)

    def publish(self, topic, payload):
        self._client.publish(topic, payload, 1).wait_for_publish(10)

    def expect(self, topic, timeout_s=20, **fields):
        until = time.monotonic() + timeout_s
        while True:
            found, content = self.messages.get(timeout=max(0.01, until - time.monotonic()))
            if found == topic and fields.items() <= content.items():
                return content


def test_home_assistant(lab, engine, watched):
    """It finds the gateway by itself, sees the states its entities ask for, is told again at its birth, and can only close."""
    discovery = f"homeassistant/device/{NAME}/config"
    with HomeAssistant(watched) as home:
        home.subscribe(discovery)
        found = home.expect(discovery)
        entities = found["cmps"].values()
        topics = {entity[key] for entity in entities for key in ("stat_t", "json_attr_t", "t") if key in entity}
        assert {entity["cmd_t"] for entity in entities if "cmd_t" in entity} == {f"knocklet/{NAME}/request/close_all"}
        event = next(entity for entity in entities if entity["p"] == "event")
        assert event["evt_typ"] == list(report.EVENT_TYPES)
        for topic in topics:
            home.subscribe(topic)
        assert home.expect(f"knocklet/{NAME}/state", grants_open=0)["firewall"] == "ok"
        lab.knock(STEPS)
        assert home.expect(event["stat_t"], event_type="opened")["service"] == "ssh"
        home.expect(f"knocklet/{NAME}/state", grants_open=1)
        button = next(entity for entity in entities if entity["p"] == "button")
        home.publish(button["cmd_t"], button["pl_prs"])
        home.expect(event["stat_t"], event_type="closed", reason="owner")
        home.expect(f"knocklet/{NAME}/state", grants_open=0)
        home.publish("homeassistant/status", "online")
        assert home.expect(discovery) == found
        home.expect(f"knocklet/{NAME}/state")


def test_unprovision(lab, engine, watched):
    """Every retained topic of the gateway is gone, and only of this one."""
    watched.kill_agent()
    time.sleep(0.5)
    watched.knocklet("unprovision", NAME, "--mqtt")
    found = watched.status()
    assert not found.get("status") and not found.get("state")
