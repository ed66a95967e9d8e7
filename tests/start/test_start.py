"""firmware/start.sh, under the shells that boards have: what it starts, and what it says when it cannot."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("readlink", "tail", "wc", "mkdir", "rm")
UPTIME_S = 50_000
MICROPYTHON = '#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n'


class Board:
    """A folder with all programs that this system has, and the firmware's shell file where a package puts it.

    A mount of its own says how long the system has been up.
    """

    def __init__(self, place, shell):
        self.place = place
        self.bin = place / "bin"
        self.run_dir = place / "run" / "knocklet"
        self.firmware = place / "lib" / "knocklet"
        for folder in (self.bin, self.run_dir.parent, self.firmware):
            folder.mkdir(parents=True)
        shutil.copy(ROOT / "firmware" / "start.sh", self.firmware)
        self._shell = [shutil.which(shell[0]), *shell[1:]]
        for tool in TOOLS:
            (self.bin / tool).symlink_to(self._shell[0] if len(shell) > 1 else shutil.which(tool))
        self.program("micropython", MICROPYTHON)

    def program(self, name, text="#!/bin/sh\n"):
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def __call__(self, *words, uptime_s=UPTIME_S, file=None, heap=None):
        """Run it. Returns (exit code, lines of output, lines of errors)."""
        uptime = self.place / "uptime"
        uptime.write_text(f"{uptime_s}.25 99.00\n")
        environment = {"PATH": str(self.bin)} | ({"KNOCKLET_HEAP": heap} if heap is not None else {})
        command = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items())]
        command += [*self._shell, file or self.firmware / "start.sh", *words]
        mount = f'mount --bind {uptime} /proc/uptime && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", mount, "sh", *command]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        return ran.returncode, ran.stdout.splitlines(), ran.stderr.splitlines()

    def engine(self, uptime_s, *options):
        """The options that the engine gets at a start."""
        code, words, errors = self("engine", "--run-dir", self.run_dir, *options, uptime_s=uptime_s)
        assert (code, errors) == (0, [])
        assert words[:3] == [f"{self.firmware}/knocklet_engine.py", "--run-dir", str(self.run_dir)]
        return words[3:]

    def starts(self):
        return (self.run_dir / "starts").read_text().split()


@pytest.fixture(params=[["dash"], ["busybox", "ash"]], ids=["dash", "busybox"])
def board(request, tmp_path):
    return Board(tmp_path, request.param)


def test_parts(board):
    lib = board.firmware
    assert board("agent", "--config", "a b") == (0, [f"{lib}/knocklet_agent.py", "--config", "a b"], [])
    assert board.engine(1, "--interfaces", "eth1,pppoe-wan", "*") == ["--interfaces", "eth1,pppoe-wan", "*"]


def test_knockletctl(board):
    """By a relative symlink, as packages have it; its words are its own."""
    link = board.place / "bin" / "knockletctl"
    link.symlink_to("../lib/knocklet/start.sh")
    assert board("close", "engine", file=link) == (0, [f"{board.firmware}/knockletctl.py", "close", "engine"], [])
    assert board(file=link) == (0, [f"{board.firmware}/knockletctl.py"], [])
    assert not board.run_dir.exists()


@pytest.mark.parametrize("words", [[], ["start"], ["--safe"]])
def test_unknown_part(board, words):
    found = words[0] if words else ""
    line = f'knocklet: start.sh: found "{found}"; allowed: engine, agent, forget'
    assert board(*words) == (2, [], [line])


@pytest.mark.parametrize("heap", ["1M", "768k", "2000000"])
def test_heap(board, heap):
    words = ["-X", f"heapsize={heap}", f"{board.firmware}/knocklet_agent.py"]
    assert board("agent", heap=heap) == (0, words, [])


def test_no_heap(board):
    assert board("agent", heap="") == (0, [f"{board.firmware}/knocklet_agent.py"], [])


@pytest.mark.parametrize("heap", ["M", "1MB", "1 M", "-1", "x"])
def test_wrong_heap(board, heap):
    line = f'knocklet: heap (KNOCKLET_HEAP): found "{heap}"; allowed: a size as 1M or 768k'
    assert board("agent", heap=heap) == (2, [], [line])


@pytest.mark.parametrize("managers, how", [
    (["apk"], "apk add micropython-mbedtls"),
    (["opkg"], "opkg install micropython-mbedtls"),
    (["apt"], "apt install micropython"),
    ([], "install 1.23 or newer"),
])  # fmt: skip
@pytest.mark.parametrize("part", ["engine", "agent", "knockletctl"])
def test_no_micropython(board, managers, how, part):
    (board.bin / "micropython").unlink()
    for manager in managers:
        board.program(manager)
    link = board.bin / "knockletctl"
    link.symlink_to("../lib/knocklet/start.sh")
    ran = board("status", file=link) if part == "knockletctl" else board(part, "--run-dir", board.run_dir)
    assert ran == (127, [], ["knocklet: MicroPython is missing: " + how])


def test_fifth_start_is_a_safe_one(board):
    for i in range(4):
        assert board.engine(UPTIME_S + i, "--syslog") == ["--syslog"]
    assert board.engine(UPTIME_S + 5, "--syslog") == ["--syslog", "--safe"]
    assert board.engine(UPTIME_S + 6) == ["--safe"]
    assert board.run_dir.stat().st_mode & 0o777 == 0o700


def test_starts_are_forgotten_in_time(board):
    """Four, and the fifth when the first is just ten minutes old."""
    for at_s in (UPTIME_S, UPTIME_S + 100, UPTIME_S + 101, UPTIME_S + 102):
        assert board.engine(at_s) == []
    assert board.engine(UPTIME_S + 600) == []
    assert board.engine(UPTIME_S + 601) == ["--safe"]


def test_an_hour_of_safe_mode_is_over(board):
    for i in range(4):
        board.engine(UPTIME_S + i)
    assert board.engine(UPTIME_S + 4) == ["--safe"]
    assert board.engine(UPTIME_S + 3604) == []
    assert board.starts() == [str(UPTIME_S + 3604)]


def test_what_is_kept_does_not_grow(board):
    for i in range(12):
        board.engine(UPTIME_S + i)
    assert board.starts() == [str(UPTIME_S + i) for i in range(7, 12)]


def test_a_stop_that_was_wanted(board):
    for i in range(9):
        assert board.engine(UPTIME_S + i) == []
        assert board("forget", "--run-dir", board.run_dir) == (0, [], [])


def test_looking_is_no_start(board):
    for _ in range(6):
        assert board.engine(UPTIME_S, "--check") == ["--check"]
        assert board.engine(UPTIME_S, "--uninstall") == ["--uninstall"]
    assert not board.run_dir.exists()


@pytest.mark.parametrize("found", [
    "60000\n60001\n60002\n60003\n60004\n",   # of an earlier boot, in a directory that lasts
    "\n-1\nx 1\n12*\n\n\n\n",
    "9" * 40,
])  # fmt: skip
def test_what_is_no_start(board, found):
    board.run_dir.mkdir(mode=0o700)
    (board.run_dir / "starts").write_text(found)
    code, words, _ = board("engine", "--run-dir", board.run_dir)
    assert (code, words[3:]) == (0, [])
    assert board.starts() == [str(UPTIME_S)]


def test_starts_cannot_be_kept(board):
    """A full disk, or a directory that is a file: it starts for all that."""
    (board.run_dir).write_text("")
    for _ in range(6):
        assert board.engine(UPTIME_S) == []


def test_runs_the_real_one(tmp_path):
    """The build, and MicroPython: what it gets by PATH. It is executable as it lies there."""
    start = ROOT / "build" / "firmware" / "start.sh"
    config = tmp_path / "config.json"
    config.touch(mode=0o600)
    path = f"{ROOT / 'build' / 'micropython' / '64'}:{os.environ['PATH']}"
    command = [start, "engine", "--check", "--config", config]
    ran = subprocess.run(command, env={"PATH": path, "KNOCKLET_HEAP": "1M"}, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("knocklet-engine: ")
