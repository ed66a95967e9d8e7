"""The demo shows the main job, and fails when any of it does not happen."""

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from net.clients import write_store

from lab import Lab
from lab.host import NETNS_DIR

DEMO = Path(__file__).resolve().parent.parent.parent / "scripts" / "demo.py"


@pytest.fixture
def demo():
    """The demo as a module, fresh: tests change it."""
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def main(demo, monkeypatch, capsys):
    """Runs it: (arguments) -> (exit code, what it printed, its lines of error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [str(DEMO), *arguments])
        code = demo.main()
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return run


@pytest.mark.parametrize(("zone", "firewall"), [("drop", "ipset"), pytest.param("reject", "nft", marks=pytest.mark.long)])
def test_it_shows_the_main_job(main, zone, firewall):
    code, out, errors = main("--zone", zone, "--firewall", firewall)
    assert (code, errors) == (0, [])
    closed = "no answer" if zone == "drop" else "refused"
    page = "198.51.100.2   -> the camera's page  198.51.100.1:8080   <title>Camera 1: admin</title>"
    none = f"198.51.100.2   -> the camera's page  198.51.100.1:8080   {closed}"
    told = [
        none,
        f"198.51.100.2   -> the gateway's SSH  198.51.100.1:22     {closed}",
        "$ knocklet knock home camera",
        page,
        f"198.51.100.66  -> the camera's page  198.51.100.1:8080   {closed}",
        "home replayed 198.51.100.66 by anna",
        f"198.51.100.66  -> the camera's page  198.51.100.1:8080   {closed}",
        "the camera's page has closed",
        none,
        "$ fwknop -n home",
        page,
        none,
        "$ knocklet otp home camera",
        page,
        none,
        "they are used up",
        none,
        "$ knocklet client page tablet",
        "knocked six ports, and opened http://198.51.100.1:8080/: Camera 1: admin",
        page,
        none,
        "$ knocklet knock 198.51.100.1 23171",
        page,
        none,
        f"198.51.100.66  -> the heating        198.51.100.1:8443   {closed}",
        "$ knocklet push home --yes",
        '+ services.heating.to = "192.168.1.60:443"',
        "home: in force, version ",
        "home config_applied ",
        "heating answers at 198.51.100.1",
        f"198.51.100.66  -> the camera's page  198.51.100.1:8080   {closed}",
        f"198.51.100.2   -> the heating        198.51.100.1:8443   {closed}",
        '~ interfaces = ["wan0"] -> ["lan0"]',
        "on trial for 30 s",
        "$ knocklet knock home camera: no answer",
        "home config_rolled_back ",
        page,
        none,
    ]
    for line in told:  # in this order
        assert line in out
        out = out.partition(line)[2]


def test_it_fails_when_ssh_is_open(demo, main):
    del demo.CONFIG["services"]["ssh"]
    code, _, errors = main("--zone", "accept")
    line = "demo failed: the gateway's SSH at 198.51.100.1:22 answers open to 198.51.100.2, not refused"
    assert (code, errors) == (1, [line])


def test_it_fails_when_the_knock_opens_nothing(demo, main, monkeypatch):
    """Its replay store has everything for used."""
    monkeypatch.setattr(demo, "write_store", lambda state: write_store(state, floor_us=1 << 61))
    demo.KNOCK_OPTIONS += ["--wait", "0.5"]
    code, _, errors = main()
    assert code == 1 and len(errors) == 1
    assert errors[0].startswith("demo failed: the knock did not open the page: exit 1")


def test_it_fails_when_a_stranger_gets_in(demo, main):
    """The attacker knocks as well."""
    knock = demo.Demo.knock

    def knock_twice(self, command, who=None):
        self._lab.knock(demo.CONFIG["sequences"]["family"]["steps"], from_=self._lab.attacker)
        return knock(self, command, who)

    demo.Demo.knock = knock_twice
    code, _, errors = main()
    line = "demo failed: the camera's page at 198.51.100.1:8080 answers open to 198.51.100.66, not silent"
    assert (code, errors) == (1, [line])


def test_it_fails_when_the_grant_does_not_end(demo, main):
    demo.TTL_S = 1
    code, _, errors = main()
    assert (code, errors) == (1, ["demo failed: the page was still open 3 s after the knock"])


def test_it_fails_when_the_grant_ends_early(demo, main):
    demo.TTL_S = 20
    demo.CONFIG["services"]["camera"]["ttl"] = 2
    code, _, errors = main()
    assert code == 1 and len(errors) == 1 and "already" in errors[0]


def test_it_fails_without_a_page(demo):
    """Nobody knocked, no engine runs."""
    with Lab() as lab, pytest.raises(demo.Failed, match="did not come through"):
        demo.Demo(lab, 0).expect_page(lab.client)


def test_it_fails_when_the_engine_does(demo, main):
    demo.CONFIG["decoys"] = 257
    code, _, errors = main()
    assert code == 1 and len(errors) == 1
    assert "the engine ended with exit 2" in errors[0] and "decoys" in errors[0]


def test_it_needs_root(demo, main, monkeypatch):
    monkeypatch.setattr(demo.os, "geteuid", lambda: 1000)
    assert main() == (2, "", ["this needs root: sudo make demo"])


def test_ctrl_c_leaves_nothing():
    with subprocess.Popen([sys.executable, DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "$ knocklet" in line:
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, "demo stopped\n")
    assert list(NETNS_DIR.glob(f"knocklet-lab-{process.pid}-*")) == []
