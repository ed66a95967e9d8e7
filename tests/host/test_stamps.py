"""No stamp is sent twice, and none that is lower: not by many at once, nor after the clock was set back."""

import fcntl
import os
import subprocess
import sys
import time

import pytest
from host.process import HOME
from host.spa_gateway import HOST, SpaGateway

from knocklet_tool import stamps
from lab.waiting import wait_until

PROCESSES, EACH = 8, 100
# Sends as the command does, many times.
SENDER = """
import sys
from knocklet_tool import clients
from knocklet_tool.resolve import read_source
from knocklet_tool.spa_sender import SpaSender
client, gateway = clients.find("anna")
sender = SpaSender(client, gateway, gateway.service("web"), 1, 0, None, None)
target = read_source("127.0.0.1")
sys.stdin.read()
for _ in range(%d):
    assert type(sender.send([target])[target]) is float
""" % EACH


@pytest.fixture
def gateway(home, knocklet, names):
    names[HOST] = ["127.0.0.1"]
    with SpaGateway(home, knocklet) as made:
        yield made


def last_file(home):
    (found,) = (home / "data" / "knocklet" / "last").iterdir()
    return found


def set_clock(monkeypatch, seconds):
    monkeypatch.setattr(stamps.time, "time_ns", lambda: int(seconds * 1e9))
    monkeypatch.setattr("knocklet_tool.spa_sender.time.time", lambda: seconds)


def test_many_at_once(gateway):
    """What arrives rises strictly: who has the lower stamp also sends first."""
    environment = {**os.environ, "PYTHONPATH": f"{HOME / 'host_tools'}:{HOME / 'firmware'}"}
    command = [sys.executable, "-c", SENDER]
    started = [subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) for _ in range(PROCESSES)]
    for process in started:   # all are ready; now they go
        process.stdin.close()
    assert [process.wait(60) for process in started] == [0] * PROCESSES
    gateway.end()
    found = [knock.stamp_us for knock in gateway.knocks]
    assert len(found) == PROCESSES * EACH
    assert all(earlier < later for earlier, later in zip(found, found[1:]))
    assert len({knock.iv for knock in gateway.knocks}) == len(found)


def test_stamps_are_of_now(gateway, knocklet):
    before = time.time_ns() // 1000
    knocklet("knock", "home", "web", "--close")
    assert before < gateway.knocks[0].stamp_us < gateway.knocks[-1].stamp_us < time.time_ns() // 1000


def test_a_clock_that_was_set_back(gateway, knocklet, monkeypatch):
    now = time.time()
    set_clock(monkeypatch, now + 3600)
    assert knocklet("knock", "home", "web", "--close").stderr == ""
    set_clock(monkeypatch, now)
    result = knocklet("knock", "home", "web", "--close")
    assert result.exit_code == 0 and result.stdout
    assert result.stderr == (
        "This computer's clock is 60 minutes behind the newest knock of client anna: the gateway refuses until the clock has "
        "caught up; a fresh key helps (client remove, client add).\n"
    )
    gateway.end()
    found = [knock.stamp_us for knock in gateway.knocks]
    assert found[4:] == [found[3] + 1, found[3] + 2, found[3] + 3, found[3] + 4]


def test_less_than_a_minute_is_not_told(gateway, knocklet, monkeypatch):
    now = time.time()
    set_clock(monkeypatch, now + 59)
    knocklet("knock", "home", "web", "--close")
    set_clock(monkeypatch, now)
    assert knocklet("knock", "home", "web", "--close").stderr == ""


def test_a_fresh_key_helps(home, gateway, knocklet, monkeypatch):
    now = time.time()
    set_clock(monkeypatch, now + 3600)
    knocklet("knock", "home", "web", "--close")
    gateway.end()   # it does not have the next key
    set_clock(monkeypatch, now)
    knocklet("client", "remove", "anna")
    knocklet("client", "add", "anna", "--open", "web")
    assert "minutes behind" not in knocklet("knock", "home", "web", "--close").stderr


def test_later_than_the_key(gateway, knocklet, monkeypatch):
    """A gateway takes no stamp up to the time when the key was made."""
    set_clock(monkeypatch, gateway.known.issued - 7200)
    assert "is 120 minutes behind" in knocklet("knock", "home", "web", "--close").stderr
    gateway.end()
    assert gateway.knocks[0].stamp_us > gateway.client.issued_us


def test_noted_before_it_is_sent(home, gateway, knocklet, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("knocklet_tool.stamps.os.pwrite", fail)
    result = knocklet("knock", "home", "web")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith("No space left on device; nothing is sent that cannot be noted first\n")
    gateway.end()
    assert gateway.knocks == []


@pytest.mark.parametrize(
    "text", ["x", "0" * 19 + "\n", "9" * 20 + "\n", "-" + "0" * 19, "0" * 20 + "\n0", "%020d\n" % ((60_000_000 << 32) - 1)]
)
def test_a_damaged_file(home, gateway, knocklet, text):
    knocklet("knock", "home", "web", "--close")
    last_file(home).write_text(text)
    result = knocklet("knock", "home", "web")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"knocklet: {last_file(home)}: not as this tool writes it")
    assert result.stderr.count("\n") == 1
    gateway.end()
    assert len(gateway.knocks) == 4


def test_the_last_stamp_that_a_packet_can_have(home, gateway, knocklet):
    knocklet("knock", "home", "web", "--close")
    last_file(home).write_text("%020d\n" % ((60_000_000 << 32) - 2))
    assert "not as this tool writes it" in knocklet("knock", "home", "web", "--close").stderr   # the second packet
    gateway.end()
    assert gateway.knocks[-1].stamp_us == (60_000_000 << 32) - 1


def test_what_is_kept(home, gateway, knocklet):
    """One small file of the owner, which does not grow."""
    for times in range(1, 3):
        knocklet("knock", "home", "web", "--close")
        wait_until(lambda count=4 * times: len(gateway.knocks) == count, "all packets have arrived")
        assert last_file(home).read_text() == "%020d\n" % gateway.knocks[-1].stamp_us
    assert last_file(home).stat().st_mode & 0o777 == 0o600
    assert last_file(home).name == f"spa-{gateway.client.fingerprint.hex()}"


def test_versions_of_sealed_messages(home, monkeypatch):
    """Later than all before of this gateway and kind, and than what the gateway has; the clock may be set back."""
    now_us = time.time_ns() // 1000
    with stamps.next_version("home", "config") as first:
        assert now_us <= first < now_us + 60_000_000
    set_clock(monkeypatch, 1_000_000_000)
    with stamps.next_version("home", "config") as second, stamps.next_version("home", "command") as other:
        assert second == first + 1 and other == 1_000_000_000_000_000
    with stamps.next_version("home", "config", after=first + 1000) as third:
        assert third == first + 1001
    with stamps.next_version("attic", "config") as another:
        assert another == 1_000_000_000_000_000


def test_nobody_has_the_next_version_before_this_one_is_sent(home):
    with stamps.next_version("home", "command"), open(last_file(home)) as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(last_file(home)) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
