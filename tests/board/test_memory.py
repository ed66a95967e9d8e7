"""A board with 64 MB of memory, and as many services and clients as a gateway is promised to take."""

import json

import pytest
from board.home import READY
from net.big_config import big_config

from lab.board import Board

CONNECTED = rb"port 8883: connected"
PSS_KB, ANONYMOUS_KB = 6 * 1024, 2 * 1024


@pytest.fixture
def small_board(home):
    board = Board(home.lab, home.disk("small"), home.initrd, memory_mb=64)
    board.power_on()
    yield board
    board.power_cut()
    board.disk.unlink()


def used_kb(board):
    """Of engine and agent together: name of /proc/PID/smaps_rollup -> kB."""
    sums = {}
    for what in ("engine", "agent"):
        for line in board.ssh(f"cat /proc/$(cat /run/knocklet-{what}.pid)/smaps_rollup").stdout.splitlines()[1:]:
            name, kb = line.split()[:2]
            sums[name] = sums.get(name, 0) + int(kb)
    return sums


def test_what_they_need_with_64_services_and_200_clients(home, small_board, tmp_path):
    small_board.expect(READY)
    config = big_config()
    del config["interfaces"]
    small_board.put("/etc/knocklet/config.json", json.dumps(config).encode())
    small_board.ssh("rm /etc/knocklet/clients.json && /etc/init.d/knocklet restart")
    small_board.expect(READY)
    small_board.expect(CONNECTED)
    home.lab.knock(config["sequences"]["front"]["steps"])
    small_board.expect(rb'"opened"')
    used = used_kb(small_board)
    print(used, small_board.ssh("free").stdout)
    assert used["Pss:"] < PSS_KB and used["Anonymous:"] < ANONYMOUS_KB, used
