"""The engine as a service manager starts it: root with CAP_NET_ADMIN and CAP_NET_RAW and nothing else, and the agent as its
user from the beginning. The agent's directory was made beforehand.
"""

import os
import stat
import subprocess

import pytest
from net.marks import one_firewall

from knocklet.core import agent_messages
from lab.owner import Owner
from lab.waiting import wait_until

from .fake_agent import FakeAgent

KEY = bytes(range(32))
STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
NOBODY = 65534
TWO = ["/usr/bin/setpriv", "--bounding-set", "-all,+net_admin,+net_raw", "--inh-caps", "-all"]
AS_NOBODY = ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
CONNECT = """
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
    connection.connect(sys.argv[1])
    print(connection.recv(64).decode("latin-1")[2:])
"""


@pytest.fixture
def config(config):
    config["id"] = "home"
    config["sequences"]["front"]["open"] = ["ssh"]
    return config


@pytest.fixture
def engine(engine):
    engine.write_key(KEY)
    engine.wrapper = TWO
    return engine


@pytest.fixture
def directory(engine):
    """The agent's, ready."""
    made = engine.run_dir.with_name(engine.run_dir.name + "-agent")
    made.mkdir()
    os.chown(made, 0, NOBODY)
    made.chmod(0o2750)
    return made


def capabilities(process, kind):
    with open(f"/proc/{process.pid}/status") as lines:
        return next(int(line.split()[1], 16) for line in lines if line.startswith(kind))


def hello(directory, identity):
    """What the engine says to a process of this identity, or why there is nothing."""
    command = [*identity, "/usr/bin/python3", "-c", CONNECT, directory / agent_messages.SOCKET]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return (ran.stdout + ran.stderr).splitlines()[-1].partition(":")[0]


def test_opens_and_reports(lab, engine, directory):
    """On both firewalls; a second start finds the first one's socket."""
    for _ in range(2):
        engine.restart()
        assert capabilities(engine.process, "CapPrm") == capabilities(engine.process, "CapBnd") == 1 << 12 | 1 << 13
        assert engine.ask("status")["warnings"] == []
        with FakeAgent(engine, KEY) as agent:
            agent.start()
            agent.expect("event", event_type="started")
            lab.knock(STEPS)
            agent.expect("event", event_type="opened", service="ssh", source=lab.client.ip4)
        assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
        engine.ctl("close", "--all")
    found = (directory / "engine").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, NOBODY, 0o660)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o2750


@one_firewall
def test_who_may_connect(lab, engine, directory):
    """The agent's user; his group alone gets to the socket and no further, and others not even there."""
    engine.start()
    assert hello(directory, AS_NOBODY) == "home"
    his_group = ["/usr/bin/setpriv", "--reuid=1234", f"--regid={NOBODY}", "--clear-groups"]
    assert hello(directory, his_group) == ""
    assert engine.ask("status")["agent"]["refused"] == 1
    assert hello(directory, ["/usr/bin/setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"]) == "PermissionError"


@one_firewall
@pytest.mark.parametrize("mode, group", [(0o755, 0), (0o2770, NOBODY), (0o2755, NOBODY), (0o2750, 1234), (0o750, NOBODY)])
def test_directory_that_is_not_ready(lab, engine, directory, mode, group):
    """It opens for all that, and says what it wants. One that can give things away makes it as it should be."""
    os.chown(directory, 0, group)
    directory.chmod(mode)
    engine.start()
    assert engine.ask("status")["warnings"] == [
        f"nothing is reported: {directory}: without CAP_CHOWN allowed: made beforehand, owner root, group {NOBODY}, mode 2750"
    ]
    lab.knock(STEPS)
    engine.expect_event("opened", service="ssh")
    engine.wrapper = []
    engine.restart()
    assert engine.ask("status")["warnings"] == []
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755
    found = (directory / "engine").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (NOBODY, 0, 0o600)
    assert hello(directory, AS_NOBODY) == "home"


@one_firewall
def test_agent_of_a_service_manager(lab, engine, directory):
    """The real one, from the start as its user; its configuration is root's, and its group may read it."""
    owner = Owner(lab, engine.config_path.parent, engine.run_dir)
    owner.set_up()
    os.chown(owner.etc / "agent.json", 0, NOBODY)
    (owner.etc / "agent.json").chmod(0o640)
    owner.etc.chmod(0o755)
    engine.start()
    owner.start_agent(wrapper=AS_NOBODY)
    owner.wait_until_online()
    lab.knock(STEPS)
    wait_until(lambda: owner.status()["state"]["grants_open"] == 1, "it is reported", timeout_s=10)
    assert capabilities(owner.agent, "CapBnd") and not capabilities(owner.agent, "CapPrm")
