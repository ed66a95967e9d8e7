"""--safe, after too many starts: doors and knocks alone. Nothing from MQTT gets to the engine; after an hour it ends itself."""

import json
import os
import subprocess

import pytest
from net.clients import PORT, in_use
from net.fake_clock import QuickTime
from net.marks import one_firewall

from .fake_agent import FakeAgent

pytestmark = one_firewall

KEY = bytes(range(32))
STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
ADMIN = 4
HOUR_S = 3600


@pytest.fixture
def config(config, anna):
    config["id"] = "home"
    config["sequences"]["front"]["open"] = ["ssh"]
    config["clients"] = {anna.name: anna.entry("admin")}
    return config


@pytest.fixture
def engine(engine):
    engine.write_key(KEY)
    return in_use(engine)


def test_opens_and_reports_nothing(lab, engine, anna):
    """What was there for an agent is not any more, and a full start brings it back."""
    engine.start()
    FakeAgent(engine, KEY).socket.close()
    engine.options = ["--safe"]
    engine.restart()
    with pytest.raises(ConnectionRefusedError):
        FakeAgent(engine, KEY)
    lab.knock(STEPS)
    engine.expect_event("opened", service="ssh", source=lab.client.ip4)
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    lab.datagram(anna.packet(ADMIN), PORT)
    engine.expect_event("opened", service="admin", client="anna")
    engine.options = []
    engine.restart()
    FakeAgent(engine, KEY).socket.close()
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


def test_it_says_so(lab, engine):
    """Also after a reload; a full start has nothing of it."""
    engine.options = ["--safe"]
    engine.start()
    engine.reload()
    status = engine.ask("status")
    (warning,) = status["warnings"]
    assert warning.startswith("safe mode, after five starts in ten minutes: ") and "restart of the service" in warning
    assert (status["agent"], status["sealed_dropped"]) == ("no id, or see warnings", "no key")
    shown = engine.ctl_command("status")
    shown.remove("--json")
    assert json.dumps(warning) in lab.gateway.run(shown).stdout
    engine.options = []
    engine.restart()
    assert engine.ask("status")["warnings"] == []


@pytest.mark.parametrize("safe", [True, False])
def test_ends_itself(lab, engine, safe):
    """After an hour, here in little more than a second; an engine that is not in safe mode goes on."""
    QuickTime(engine, HOUR_S)
    engine.options = ["--safe"] if safe else []
    engine.start()
    if safe:
        assert engine.process.wait(10) == 4
        engine.expect_exact("knocklet-engine: safe mode ends: the service manager starts all of it")
    else:
        began_s = engine.ask("status")["uptime_s"]
        while engine.ask("status")["uptime_s"] < began_s + 2 * HOUR_S:
            pass


def test_after_crashes(lab, engine):
    """As a service manager starts it again and again; a stop that was wanted brings the whole engine back."""
    start = engine.command()[1].with_name("start.sh")
    command = [start, "engine", *engine.command()[2:]]
    engine.command = lambda: command
    engine.environment = {"PATH": f"{engine.interpreter.parent}:{os.environ['PATH']}"}
    for _ in range(4):
        engine.restart()
        assert engine.ask("status")["warnings"] == []
    engine.restart()
    assert engine.ask("status")["warnings"][0].startswith("safe mode")
    engine.kill()
    subprocess.run([start, "forget", "--run-dir", engine.run_dir], check=True)
    engine.start()
    assert engine.ask("status")["warnings"] == []
