"""A booted arm64 board as device under test: on its serial console, and through its network cards in a lab of namespaces.

    def test_knock(home, dut):               # the board of this file, on, Knocklet installed and ready
        home.lab.knock(STEPS)
        assert dut.expect_event("opened")["source"] == home.lab.client.ip4

The disks are made once for all: `bare` as such a board comes, `installed` with our package and the owner's secrets. Each file
of tests has a copy of its own. Only one board is on at a time: all have the same place in the lab.
"""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from board.home import READY, Home
from pytest_embedded import Dut

from lab.board import Board, BoardLab
from lab.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


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
    with board.on(READY):
        yield board
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
