"""The power goes while a configuration that came over MQTT is tried or kept: the old or the new one is in force."""

import json

import pytest
from board.home import CONNECTED, STEPS

from lab.owner import NAME
from lab.waiting import wait_until


class Pushing:
    """`services`: what the sequence opens now. to(): the owner begins to push that it opens others."""

    def __init__(self, home, dut, folder):
        self.services = ["ssh"]
        self._home = home
        self._dut = dut
        self._file = folder / f"{NAME}.toml"
        words = ["--from", home.etc / "config.json", "--clients", home.etc / "clients.json", "--host", home.lab.gateway.ip4]
        home.owner.knocklet("init", folder, *words)
        self._text = self._file.read_text()

    def to(self, services, *options):
        assert 'open = ["ssh"]' in self._text
        self._file.write_text(self._text.replace('open = ["ssh"]', f"open = {json.dumps(services)}"))
        process = self._home.owner.knocklet_process("push", NAME, "--yes", *options)
        self._dut.expect_event("config_trial")
        return process

    def after_the_cut(self, process):
        """It is on again: what the sequence opens."""
        self._dut.board.power_cut()
        process.kill()
        process.wait()
        self._dut.board.power_on()
        self._dut.expect_exact(CONNECTED, timeout=60)
        self._home.lab.knock(STEPS)
        self._dut.expect_event("opened", service="ssh")
        grants = json.loads(self._dut.board.ssh("knockletctl --json grants").stdout)["grants"]
        self.services = sorted((grant["service"] for grant in grants), reverse=True)
        return self.services


@pytest.fixture
def pushing(home, dut, online, tmp_path):
    return Pushing(home, dut, tmp_path / "gateways")


def wait_for_writes(path, count):
    """Until the board has written to its disk so many times more."""
    for _ in range(count):
        before = path.stat().st_mtime_ns
        wait_until(lambda before=before: path.stat().st_mtime_ns != before, "it writes", timeout_s=30, interval_s=0)


def test_a_configuration_is_the_old_or_the_new_one(dut, pushing):
    assert pushing.after_the_cut(pushing.to(["ssh", "admin"], "--no-confirm")) == ["ssh"]
    process = pushing.to(["ssh", "admin"])
    wait_for_writes(dut.board.disk, 2)
    assert pushing.after_the_cut(process) in (["ssh"], ["ssh", "admin"])
    after = ["ssh", "camera" if "admin" in pushing.services else "admin"]
    process = pushing.to(after)
    dut.expect_event("config_applied")
    assert pushing.after_the_cut(process) == after
