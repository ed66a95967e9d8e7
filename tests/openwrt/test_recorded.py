"""What the init script asks procd for, done: with these commands, rights, folders and fw4's rules a knock opens, and the agent
finds its engine. Nothing of it is this machine's: it runs in the router's own root directory.
"""

import json
import shutil
import socket
import subprocess
import threading

import pytest
from openwrt.router import BOARD, UID, Router

STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
CAPABILITIES = 1 << 12 | 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW: linux/capability.h
BROKER = {"broker": {"host": "127.0.0.1", "port": 9, "tls": False}}


class SystemLog:
    """Lines that come to /dev/log of a router, as long as a process lives."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.05)
        self.process = None

    def __iter__(self):
        while True:
            try:
                yield self._socket.recv(4096) + b"\n"
            except TimeoutError:
                if self.process.poll() is not None:
                    return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


@pytest.fixture
def zone():
    return "reject"


@pytest.fixture
def router(tmp_path, config, zone):
    """Set up as on a router: interfaces are netifd's, not the configuration's."""
    router = Router(tmp_path / "r")
    for name in ("nft", "setpriv"):
        router.program(shutil.which(name))
    (router.place / "sbin" / "ujail").touch(mode=0o755)
    router.netifd("wan", device="wan0", l3_device="wan0")
    router.firewall(zone)
    router.uci(enabled="1")
    del config["interfaces"]
    router.write("/etc/knocklet/config.json", json.dumps(config | {"id": "home", "zone": zone}))
    router.write("/etc/knocklet/key", "k" * 32)
    router.write("/etc/knocklet/agent.json", json.dumps(BROKER))
    return router


def command(router, instance, *rights):
    return router.inside("/bin/setpriv", *rights, "/bin/busybox", "env", "-i", *instance.params["env"], *instance.command)


def engine_rights(router, instance):
    """As ujail gives them."""
    listed = json.loads((router.place / instance.params["capabilities"][0][1:]).read_text())
    names = {kind: ",".join("+" + name[4:].lower() for name in listed[kind]) for kind in listed}
    return [
        f"--bounding-set=-all,{names['bounding']}",
        f"--inh-caps=-all,{names['inheritable']}",
        f"--ambient-caps=-all,{names['ambient']}",
        "--no-new-privs",
    ]


@pytest.fixture
def instances(lab, router, engine, fw4):
    """What was asked for; the engine of it runs, as `engine`."""
    calls = router.init("boot")
    assert (calls.code, router.log(), list(calls.instances)) == (0, [], ["engine", "keeper", "agent"])
    asked = calls.instances["engine"]
    log = SystemLog(router.place / "dev" / "log")
    engine.process = log.process = lab.gateway.popen(
        command(router, asked, *engine_rights(router, asked)), stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    engine._reader = threading.Thread(target=engine._forward, args=(log,), daemon=True)
    engine._reader.start()
    engine.expect_exact("knocklet-engine: ready", timeout=10)
    return calls.instances


def status_of(process):
    with open(f"/proc/{process.pid}/status") as file:
        return dict(line.split(":", 1) for line in file)


def test_engine(lab, router, engine, instances):
    found = status_of(engine.process)
    assert {int(found[name], 16) for name in ("CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb")} == {CAPABILITIES}
    assert found["NoNewPrivs"].strip() == "1"
    assert lab.tcp_open(lab.gateway.ip4, 22) == "refused"
    lab.knock(STEPS)
    engine.expect_event("opened", service="ssh")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "refused"
    status = router.init("status")
    assert (status.code, status.errors) == (0, "") and "wan0" in status.output


def test_agent(lab, router, engine, instances):
    asked = instances["agent"]
    assert asked.params["user"] == asked.params["group"] == ["knocklet"]
    agent = lab.gateway.popen(
        command(router, asked, f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said = []
    for line in agent.stdout:
        said.append(line)
        if "engine connected, gateway home" in line:
            break
    else:
        raise AssertionError(said)
    assert int(status_of(agent)["CapPrm"], 16) == 0


def test_broken_configuration(lab, router, fw4):
    """Procd starts it again and again; each time it is one line that names the key."""
    router.write("/etc/knocklet/config.json", '{"zone": "open"}')
    asked = router.init("start").instances["engine"]
    ran = lab.gateway.run(command(router, asked, *engine_rights(router, asked)), check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith("knocklet-engine: zone: found 'open'") and ran.stderr.count("\n") == 1


def test_shut_without_an_engine(lab, router, engine, fw4, instances):
    """After a boot with a broken configuration the rules that were kept are there: a rule of the owner's opens nothing."""
    lab.knock(STEPS)
    engine.expect_event("opened", service="ssh")
    kept = lab.gateway.run(command(router, instances["keeper"]))
    assert (kept.stdout, kept.stderr) == ("", "")
    engine.kill()
    lab.gateway.run(["nft", "delete", "table", "inet", "knocklet"])
    open_rule = ["nft", "insert", "rule", "inet", "fw4", "input", "tcp", "dport", "22", "accept"]
    lab.gateway.run(open_rule)
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    router.write("/etc/knocklet/config.json", '{"zone": "open"}')
    lab.gateway.run(router.inside("/etc/init.d/knocklet", "boot"))
    assert lab.tcp_open(lab.gateway.ip4, 22) == "refused"
    # As at a boot: before the firewall comes, with that rule.
    router.init("enable")
    fw4.flush()
    lab.gateway.run(router.inside("/etc/init.d/knocklet-closed", "boot"))
    fw4.start()
    lab.gateway.run(open_rule)
    assert lab.tcp_open(lab.gateway.ip4, 22) == "refused"


def test_before_removal(lab, router, engine, instances):
    """The doors do not stay shut without us; an upgrade leaves them so."""
    tables = ["nft", "list", "tables"]
    script = router.place / "tmp" / "before_remove"
    shutil.copy(BOARD / "scripts" / "before_remove", script)
    engine.kill()
    upgrade = ["/bin/busybox", "env", "PKG_UPGRADE=1", "/bin/sh", "/tmp/before_remove"]
    lab.gateway.run(router.inside(*upgrade))
    assert "inet knocklet" in lab.gateway.run(tables).stdout
    lab.gateway.run(router.inside("/bin/sh", "/tmp/before_remove"))
    assert lab.gateway.run(tables).stdout == "table inet fw4\n"
    assert not (router.place / "var" / "run" / "knocklet-agent.json").exists()
    assert (router.place / "etc" / "knocklet" / "key").exists()
