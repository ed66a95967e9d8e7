"""Killed, started again, started twice, reloaded, pestered: the doors stay as they should be.

In zone "accept" a protected port is open as soon as our rules are not there.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, nullcontext
from ipaddress import IPv4Address

import pytest
from net import frames, kernel
from net.connection import Connection
from net.missing import without

from lab import LabError
from lab.waiting import wait_until

FRONT = ["7000/tcp", "9100/udp", "8000/tcp"]
ONE = {"ssh": "5000/udp", "brief": "5100/udp", "page": "5200/udp"}
INDEX = {"ssh": 1, "brief": 2, "page": 3}
ENGINE = "knocklet-engine: "
READY = ENGINE + "ready"


@pytest.fixture
def config(config):
    config["services"] = {
        "ssh": {"index": INDEX["ssh"], "port": 22, "ttl": 3},
        "brief": {"index": INDEX["brief"], "port": 23, "idle": 2, "max": 60},
        "page": {"index": INDEX["page"], "port": 8006, "ttl": 60},
    }
    config["sequences"] = {name: {"steps": [step], "open": [name]} for name, step in ONE.items()}
    config["sequences"]["front"] = {"steps": FRONT, "open": ["ssh"]}
    return config


def let_in(lab, dut, name, **options):
    lab.knock([ONE[name]], **options)
    return dut.expect_event("opened", service=name)


def ask(dut, request):
    """What the engine answers to these bytes."""
    with connected(dut) as connection:
        connection.send(request)
        return connection.recv(65536)


@contextmanager
def connected(dut):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(5)
        connection.connect(str(dut.run_dir / "control"))
        yield connection


def answers(dut):
    """Does an engine listen?"""
    try:
        return ask(dut, b'{"verb": "status"}')
    except OSError:
        return False


def reload(dut):
    """As knockletctl does it, but quicker: "" or the line of refusal."""
    return json.loads(ask(dut, b'{"verb": "reload"}')).get("error", "")


@contextmanager
def started(lab, dut):
    """Another engine in the place of `dut`. Yields what it says, line by line; whoever does not read on makes it wait."""
    with lab.gateway.popen(dut.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process.stdout
        finally:
            process.kill()


@contextmanager
def never_open(lab, port=22):
    """The attacker tries the port all the time meanwhile and never gets in."""
    answers, end = {}, threading.Event()

    def run():
        while not end.is_set():
            answer = lab.tcp_open(lab.gateway.ip4, port, from_=lab.attacker, timeout_s=0.1)
            answers[answer] = answers.get(answer, 0) + 1
            end.wait(0.002)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
    assert "open" not in answers and answers["refused"], answers


# Killed


@pytest.mark.parametrize("zone", ["accept"], indirect=True)
@pytest.mark.parametrize("kills", [8, pytest.param(80, marks=pytest.mark.long)])
def test_killed_at_any_moment(lab, engine, config, firewall, kills):
    """While it starts, reloads, changes the kind of firewall, opens: nobody gets in who did not knock, then all is well."""
    moments = random.Random(f"{firewall} {kills}")
    engine.start()
    with never_open(lab):
        for _ in range(kills):
            knocking = threading.Thread(target=lambda: [lab.knock(FRONT) for _ in range(20)])
            knocking.start()
            lab.knock(FRONT[:2], from_=lab.attacker)
            with connected(engine) as asking:
                engine.write_config(config | {"firewall": moments.choice((firewall, firewall, "ipset", "nft"))})
                if moments.random() < 0.5:
                    asking.send(b'{"verb": "reload"}')
                time.sleep(moments.uniform(0, 0.1))
                engine.kill()
            knocking.join()
            engine.start(wait=False)
            time.sleep(moments.uniform(0, 0.3))
            engine.kill()
            engine.start()  # what is heard first may be of the one before
            wait_until(lambda: answers(engine), "the new engine")
            assert {source for _, source in kernel.entries(lab)} <= {lab.client.ip4}
        engine.write_config(config)
        engine.reload()
    lab.knock(FRONT[2:], from_=lab.attacker)
    lab.knock([ONE["page"]])
    engine.expect_event("opened", service="page")
    assert set(kernel.entries(lab)) <= {(INDEX["page"], lab.client.ip4), (INDEX["ssh"], lab.client.ip4)}
    held = {(INDEX[grant["service"]], grant["source"]) for grant in engine.ctl("grants")["grants"]}
    assert held == set(kernel.entries(lab))
    wait_until(lambda: (INDEX["ssh"], lab.client.ip4) not in kernel.entries(lab), "ssh ends", 6)


@pytest.mark.parametrize("zone", ["accept"], indirect=True)
def test_grants_outlive_the_engine(lab, dut):
    """They stay open, connections go on, nothing is renewed by the restart, and the new engine tells their ends."""
    lab.serve(lab.gateway, 8006)
    opened = time.monotonic()
    for name in ("ssh", "brief", "page"):
        let_in(lab, dut, name)
    let_in(lab, dut, "ssh", from_=lab.attacker)
    with Connection(lab.gateway.ip4, 8006, lab.client) as kept:
        dut.kill()
        assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
        assert kept.works()
        dut.start()
        assert kept.works()
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert lab.tcp_open(lab.gateway.ip4, 8006, from_=lab.attacker) == "refused"
    held = {(grant["service"], grant["source"]): grant["client"] for grant in dut.ctl("grants")["grants"]}
    assert held == {
        ("ssh", lab.client.ip4): "(restored)",
        ("ssh", lab.attacker.ip4): "(restored)",
        ("brief", lab.client.ip4): "(restored)",
        ("page", lab.client.ip4): "(restored)",
    }
    lab.knock([ONE["ssh"]], from_=lab.attacker)  # a renewal: no second grant beside the restored one
    dut.expect_event("opened", source=lab.attacker.ip4)
    renewed = time.monotonic()
    assert dut.expect_event("expired", service="ssh")["source"] == lab.client.ip4
    assert 1.5 < time.monotonic() - opened < 6  # a second may go with the whole seconds of ipset
    assert lab.tcp_open(lab.gateway.ip4, 22) == "refused"
    assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "open"
    assert dut.expect_event("expired", service="ssh")["source"] == lab.attacker.ip4
    assert 2.9 < time.monotonic() - renewed < 6
    assert [grant["service"] for grant in dut.ctl("grants")["grants"]] == ["page"]


def test_second_engine(lab, dut):
    """It does not start, and does not disturb the first; after a kill -9 nothing has to be cleaned up."""
    second = lab.gateway.run(dut.command(), check=False, timeout=10)
    assert second.returncode == 3
    assert second.stderr == f"{ENGINE}another engine runs with run directory {dut.run_dir}\n"
    let_in(lab, dut, "page")
    dut.restart()
    assert dut.ctl("status")["grants"] == 1


@pytest.mark.parametrize("firewall, tool", [("ipset", "iptables-restore"), ("nft", "nft")], indirect=["firewall"])
def test_a_tool_that_outlives_the_engine(lab, dut, tool):
    """Killed while a tool of the firewall works for it: the next engine starts all the same."""
    slow, runs = dut.config_path.with_name("slow"), dut.config_path.with_name("runs")
    slow.write_text(f"#!/bin/sh\necho $$ >{runs}\nexec sleep 20\n")
    slow.chmod(0o700)
    with without(dut.process, tool, instead=slow), connected(dut) as asking:
        asking.send(b'{"verb": "reload"}')
        wait_until(lambda: runs.exists() and runs.read_text(), "the tool runs")
        dut.process.kill()
        dut.process.wait()
    with started(lab, dut) as lines:
        assert any(READY in line for line in lines)
    os.kill(int(runs.read_text()), signal.SIGKILL)


# Reloaded


def test_reload_refused(lab, dut, config):
    """One line, exit 2; what was in force and who was in stay."""
    let_in(lab, dut, "page")
    for wrong, said in (
        (config | {"colour": "red"}, "colour: unknown key; allowed: "),
        (config | {"zone": "rejekt"}, "zone: found 'rejekt'; allowed: "),
        ("{", "line 1: expected a key in quotes"),
        (" " * 70000, "70000 bytes; allowed: 65536"),
    ):
        dut.write_config(wrong)
        refused = lab.gateway.run(dut.ctl_command("reload"), check=False)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith("knockletctl: ") and refused.stderr.count("\n") == 1
        assert said in refused.stderr
    dut.config_path.unlink()
    with pytest.raises(LabError, match="exit 2: .*cannot be read"):
        dut.reload()
    assert list(kernel.entries(lab)) == [(INDEX["page"], lab.client.ip4)]
    let_in(lab, dut, "ssh")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker, timeout_s=0.1) == "silent"


@pytest.mark.parametrize("zone", ["accept"], indirect=True)
def test_reload_changes_services(lab, dut, config):
    """The grants of a changed and of a removed service end, with the reason; the others live on as they were."""
    lab.serve(lab.gateway, 8006)
    for name in ONE:
        let_in(lab, dut, name)
    left_s = kernel.entries(lab)[INDEX["page"], lab.client.ip4]
    config["services"]["ssh"]["cut"] = True
    config["services"]["page"]["ttl"] = 500  # of later knocks
    config["services"]["new"] = {"index": 9, "port": 24}
    del config["services"]["brief"], config["sequences"]["brief"]
    config["sequences"]["front"] = {"steps": ["7100/tcp", "7300/tcp"], "open": ["new", "page"]}
    dut.write_config(config)
    with Connection(lab.gateway.ip4, 8006, lab.client) as kept, never_open(lab, 8006):
        dut.reload()
        assert {dut.expect_event("closed", reason="config")["service"] for _ in range(2)} == {"ssh", "brief"}
        assert kept.works()
        assert [grant["service"] for grant in dut.ctl("grants")["grants"]] == ["page"]
        assert list(kernel.entries(lab)) == [(INDEX["page"], lab.client.ip4)]
        assert kernel.entries(lab)[INDEX["page"], lab.client.ip4] <= left_s
        assert lab.tcp_open(lab.gateway.ip4, 22) == "refused"
    lab.knock(FRONT)
    lab.knock(["7100/tcp", "7300/tcp"])
    assert dut.expect_event("opened")["service"] == "new"
    assert dut.ctl("status")["counts"]["renewed"] == 0, "another sequence: a grant of its own"


@pytest.mark.parametrize("zone", ["accept"], indirect=True)
def test_reload_switches_the_firewall(lab, dut, config, firewall):
    """Grants end; nothing of the old kind stays, though its tool is away; the port is never open meanwhile. And back."""
    for kind in {"ipset": ("nft", "ipset"), "nft": ("ipset", "nft")}[firewall]:
        let_in(lab, dut, "page")
        config["firewall"] = kind
        dut.write_config(config)
        with never_open(lab), without(dut.process, "nft") if kind == "ipset" else nullcontext():
            dut.reload()
        dut.expect_event("closed", service="page", reason="config")
        assert dut.ctl("status")["firewall"] == kind
        assert kernel.entries(lab) == {}
        rules = lab.gateway.run(["nft", "list", "ruleset"]).stdout
        assert ("table inet knocklet" in rules, "KNOCKLET_IN" in rules) == (kind == "nft", kind == "ipset")
        assert bool(lab.gateway.run(["ipset", "list", "-n"]).stdout) == (kind == "ipset")
        let_in(lab, dut, "ssh")
        assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
        assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "refused"
        dut.ctl("close", "--all")


def test_fifty_reloads(lab, dut, config, firewall):
    """Good and bad ones, with more and fewer interfaces, with the firewall's tool away: no descriptor is lost."""
    other, tool = {"ipset": ("nft", "nft"), "nft": ("ipset", "iptables-restore")}[firewall]
    both = config | {"interfaces": ["wan0", "mgmt0"]}
    away = config | {"interfaces": ["wan0", "lan0"], "firewall": other}
    before = kernel.descriptors(dut.process)
    for _ in range(10):
        with without(dut.process, tool):
            dut.write_config(away)
            assert "not found" in reload(dut)
        for changed, said in ((both, ""), (config | {"decoys": 257}, "decoys: "), ("{", "line 1: "), (config, "")):
            dut.write_config(changed)
            assert reload(dut).startswith(said)
    wait_until(lambda: kernel.descriptors(dut.process) == before, "as many descriptors as before")
    let_in(lab, dut, "page")


# Pestered

GARBAGE = (
    b"x", b"[]", b"1", b'"status"', b"null", b"\xff" * 1024, b"[" * 1024, b'{"verb": "status"' * 50, b"{" * 5000,
    b"{}", b'{"verb": null}', b'{"verb": []}', b'{"verb": {}}', b'{"verb": 1e999}', b'{"verb": "stop"}',
    b'{"verb": "close"}', b'{"verb": "close", "service": []}', b'{"verb": "close", "service": "ssh", "source": []}',
    b'{"verb": "close", "service": "ssh", "source": {}}', b'{"verb": "close", "service": "ssh", "source": 1}',
    b'{"verb": "close", "service": "ssh", "source": "::g"}', b'{"verb": "close", "all": 1}',
)  # fmt: skip


def test_garbage(lab, dut):
    """Each is refused with a line; noise of any length is, too; and nobody is thrown out."""
    let_in(lab, dut, "page")
    noise = random.Random("noise")
    for request in (*GARBAGE, *(noise.randbytes(noise.randrange(1, 1500)) for _ in range(100))):
        answer = json.loads(ask(dut, request))
        assert answer["ok"] is False and answer["error"]
    with connected(dut) as silent, connected(dut) as hasty:
        silent.send(b"")  # nothing, in a packet of its own
        hasty.send(b'{"verb": "status"}')
    assert dut.ctl("status")["grants"] == 1


def test_many_clients(lab, dut):
    """Eight at once, and one more is turned away; whoever leaves makes room; forty in a row are served."""
    with connected(dut) as following:
        following.send(b'{"verb": "events"}')
        assert following.recv(100) == b'{"ok": true}'
        waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(8)]
        for connection in waiting:
            connection.settimeout(5)
            connection.connect(str(dut.run_dir / "control"))
        assert waiting.pop().recv(100) == b""
        assert lab.gateway.run(dut.ctl_command("status"), check=False).returncode == 3
        for connection in waiting:
            connection.close()
        wait_until(lambda: answers(dut), "room")
        for _ in range(40):
            assert json.loads(ask(dut, b'{"verb": "grants"}'))["ok"]
        let_in(lab, dut, "page")
        assert json.loads(following.recv(1000))["event_type"] == "opened"


def test_nobody_reads(lab, engine):
    """Neither a follower of events nor the log: the engine goes on, and says what it could not say."""
    sources = [str(IPv4Address("203.0.114.0") + number) for number in range(250)]
    with started(lab, engine) as lines:
        assert any(READY in line for line in lines)  # and no line is read after this one
        with connected(engine) as deaf, connected(engine) as hearing:
            for following in (deaf, hearing):
                following.send(b'{"verb": "events"}')
                assert following.recv(100) == b'{"ok": true}'
            told = 0
            while not engine.ctl("status")["log_dropped"]:
                frames.send(lab.client, lab.gateway, *(frames.step(one, lab.gateway.ip4, ONE["page"]) for one in sources))
                for _ in sources:
                    assert json.loads(hearing.recv(1000))["event_type"] in ("opened", "renewed")
                    told += 1
            heard = 0
            while deaf.recv(1000):  # what had room, and then the end
                heard += 1
            assert heard < told
        lab.knock([ONE["ssh"]])
        wait_until(lambda: lab.tcp_open(lab.gateway.ip4, 22) == "open", "a door that opens")


AS_NOBODY = """
import os, socket, sys
os.chdir(sys.argv[1])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
try:
    connection.connect("control")
    connection.send(b'{"verb": "close", "all": true}')
    print(connection.recv(1000))
except OSError as error:
    print(type(error).__name__)
"""


def test_root_only(lab, dut):
    """Files keep others away; and where somebody has opened those up, the engine asks the kernel who is there."""
    let_in(lab, dut, "page")
    control = dut.run_dir / "control"
    assert (dut.run_dir.stat().st_mode & 0o777, control.stat().st_mode & 0o777) == (0o700, 0o600)

    def nobody():
        return lab.gateway.run([sys.executable, "-c", AS_NOBODY, dut.run_dir]).stdout.strip()

    assert nobody() == "PermissionError"
    dut.run_dir.chmod(0o755)
    control.chmod(0o666)
    assert nobody() in ("b''", "ConnectionResetError", "BrokenPipeError")
    assert dut.ctl("status")["grants"] == 1
