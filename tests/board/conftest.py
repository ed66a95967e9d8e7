"""A booted arm64 board as device under test: on its serial console, and through its network cards in a lab of namespaces.

    def test_knock(home, dut):               # the board of this file, on, Knocklet installed and ready
        home.lab.knock(STEPS)
        assert dut.expect_event("opened")["source"] == home.lab.client.ip4

The disks are made once for all: `bare` as such a board comes, `installed` with our package and the owner's secrets. Each file
of tests has a copy of its own. Only one board is on at a time: all have the same place in the lab.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pytest_embedded import Dut

from lab.board import Board, BoardLab
from lab.owner import NAME, Owner
from lab.private import write_private
from lab.visitor import KNOCKLET, Visitor
from lab.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
READY = b"knocklet-engine: ready"
PROMPT = b"Please press Enter"
STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
CONFIG = {
    "id": NAME,
    "zone": "drop",
    "services": {
        "ssh": {"index": 1, "port": 22, "ttl": 60},
        "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80", "ttl": 60},
        "admin": {"index": 3, "port": 8888, "ttl": 60},
    },
    "sequences": {"front": {"steps": STEPS, "open": ["ssh"]}},
}


class Home:
    """Whose board it is. `bare`, `installed`: disks, to be copied; `initrd`; `owner`: his commands; `anna`: who may open."""

    def __init__(self, lab, directory):
        self.lab = lab
        self._directory = directory
        builder = _script("build_board_image")
        builder.build(directory, lab.authorized_key())
        self.bare, self.initrd = directory / "disk", directory / "initrd"
        etc = lab.directory / "etc"
        etc.mkdir(mode=0o700)
        self.owner = Owner(lab, etc, lab.directory / "run")
        self.owner.set_up()
        write_private(etc / "config.json", json.dumps(CONFIG))
        self.owner.knocklet("gateway", "describe", NAME, etc / "config.json", "--host", lab.gateway.ip4)
        self.owner.knocklet("client", "add", "anna", "--open", "ssh", "--open", "camera")
        write_private(etc / "clients.json", self.piped("client", "file"))
        self.anna = Visitor(lab, lab.client, "anna")
        self.anna.knocklet("client", "import", "-", input=self.piped("client", "export", "anna").decode())
        agent = json.loads((etc / "agent.json").read_text())
        agent["broker"]["ca"] = self.owner.ca.read_text()
        write_private(etc / "agent.json", json.dumps(agent))
        self.etc = etc
        self.installed = self._install()

    def piped(self, *words):
        """What a command of the owner writes into a pipe: a secret."""
        process = self.owner.knocklet_process(*words, stdout=subprocess.PIPE)
        out, _ = process.communicate()
        assert process.returncode == 0
        return out

    def package(self):
        """Our package for this board, built."""
        self.lab.mgmt.run([KNOCKLET, "board", "build", "qemu_arm64", "--output", self._directory])
        return next(self._directory.glob("*.deb"))

    def disk(self, name, of=None):
        """A copy of a disk, the installed one if not said."""
        path = self._directory / name
        subprocess.run(["cp", "--sparse=always", of or self.installed, path], check=True)
        return path

    def _install(self):
        board = Board(self.lab, self.disk("installing", self.bare), self.initrd)
        board.power_on()
        try:
            board.expect(PROMPT)
            board.put("/tmp/knocklet.deb", self.package().read_bytes())
            board.ssh("/usr/bin/dpkg -i /tmp/knocklet.deb")
            for name in ("config.json", "clients.json", "key", "agent.json"):
                board.put(f"/etc/knocklet/{name}", (self.etc / name).read_bytes())
            board.ssh("/etc/init.d/knocklet enable")
            board.power_off()
        finally:
            board.power_cut()
        return board.disk


def _script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BoardDut(Dut):
    """The board of this file: what it says on the console from the start of the test on, and to type there."""

    def __init__(self, board, **embedded):
        super().__init__(app=None, **embedded)
        self.board = board
        board.listener = self._q.put

    def write(self, s):
        self.board.type(s)

    def close(self):
        self.board.listener = None
        super().close()

    def expect_event(self, event_type, timeout=20, **fields):
        """Wait for the next event of this type with these fields, and return it as dict. Others are passed over."""
        pattern = re.compile(rb'\{[^\n]*"event_type": ?"%s"[^\n]*\}(?=\r?\n)' % event_type.encode())
        while True:
            event = json.loads(self.expect(pattern, timeout=timeout)[0])
            if fields.items() <= event.items():
                return event

    def reboot(self):
        """A power cut, and on again; returns when the engine is ready."""
        self.board.power_cut()
        self.board.power_on()
        self.expect_exact(READY.decode(), timeout=60)


@pytest.fixture(scope="session")
def session_root_logdir():
    """pytest-embedded's logs lie in build/, and only those of the last run."""
    path = ROOT / "build" / "test_logs" / f"board-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    shutil.rmtree(path, ignore_errors=True)
    return str(path)


@pytest.fixture
def test_case_name(request):
    return f"{request.path.stem}-{request.node.name}".replace("/", "-")


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    with BoardLab() as lab:
        yield Home(lab, tmp_path_factory.mktemp("board"))


@pytest.fixture(scope="module")
def board(home, request):
    """On, and ready; what the tests of one file do to it the next ones of that file find."""
    board = Board(home.lab, home.disk(Path(request.path).stem), home.initrd)
    board.power_on()
    try:
        board.expect(READY, timeout_s=60)
        yield board
    finally:
        board.power_cut()
        board.disk.unlink()


@pytest.fixture
def dut(board, msg_queue, pexpect_proc, _pexpect_logfile, test_case_name):
    dut = BoardDut(
        board, msg_queue=msg_queue, pexpect_proc=pexpect_proc, pexpect_logfile=_pexpect_logfile, test_case_name=test_case_name
    )
    yield dut
    board.listener = None


@pytest.fixture
def online(home, board):
    """Its reports are at the broker."""
    wait_until(lambda: home.owner.status()["status"] == "online", "the board is online", timeout_s=60, interval_s=0.2)
