"""The arm64 board that QEMU emulates: from power-on to armed, from a signed packet to the first answer of the opened port, and
from bare to the first successful knock by `knocklet provision`. A real board of this kind is quicker.
"""

import json
import random
import shlex
import tempfile
import time
from itertools import cycle
from pathlib import Path

from board.home import PROMPT, READY, Home
from net.clients import PORT, KeyClient

from knocklet.wire.spa_packet import CLOSE
from lab.board import Board, BoardLab
from lab.owner import NAME

from ..figure import at_most
from ..outsider import Outsider
from ..race import median, p99

NAMES = ("qemu_boot_to_armed_s", "qemu_open_ms_p99", "provision_s")
_BOOTS = 5
_KNOCKS = 200
_CLIENTS = 8  # they take turns: one alone would come more often than one may
_SSH = 22
_PERIOD_NS = 500_000  # between tries: each costs the board what hundreds cost this machine
_CLOSED_NS = 50_000_000
_GIVE_UP_NS = 3_000_000_000


def measure():
    with BoardLab() as lab, tempfile.TemporaryDirectory(prefix="knocklet-board-") as directory:
        home = Home(lab, Path(directory))
        boots = sorted(_boots(home))
        opened = sorted(_opened(home))
        provisioned = _provisioned(home)
    return [
        at_most(NAMES[0], round(median(boots), 2), "s", 5, {"longest": round(boots[-1], 2)}),
        at_most(NAMES[1], round(p99(opened), 2), "ms", 50, {"median": round(median(opened), 2)}),
        at_most(NAMES[2], round(provisioned, 1), "s", 60),
    ]


def _on(home, disk, until):
    return Board(home.lab, disk, home.initrd).on(until)


def _boots(home):
    """Seconds from power-on until the engine says that it is ready."""
    disk = home.disk("boots")
    for _ in range(_BOOTS):
        began = time.perf_counter()
        with _on(home, disk, READY):
            yield time.perf_counter() - began


def _opened(home):
    """Milliseconds from just before a packet leaves until the door answers."""
    clients = [KeyClient(f"client-{number}") for number in range(_CLIENTS)]
    with _on(home, home.disk("opened"), READY) as board:
        issued = int(time.time()) - 86_400
        stored = {client.name: client.entry("ssh", kinds=["spa"], issued=issued) for client in clients}
        board.put("/etc/knocklet/clients.json", json.dumps({"clients": stored}).encode())
        board.ssh("/etc/init.d/knocklet restart")
        board.expect(READY)
        board.expect(b": connected")
        with home.lab.client.inside(), Outsider(home.lab.gateway.ip4, home.lab.client.ip4) as outsider:
            for _, client in zip(range(_KNOCKS), cycle(clients)):
                time.sleep(random.uniform(0.02, 0.07))
                began = outsider.send(PORT, client.packet(1))
                while not outsider.answered(_SSH, _PERIOD_NS) and time.perf_counter_ns() - began < _GIVE_UP_NS:
                    pass
                yield (time.perf_counter_ns() - began) / 1e6
                outsider.send(PORT, client.packet(1, CLOSE))
                board.expect(rb'"closed"')
                while outsider.answered(_SSH, _CLOSED_NS):  # what came for earlier tries
                    pass


def _provisioned(home):
    """Seconds from the command on a bare board that is on to the first knock that has opened."""
    home.owner.knocklet(
        "init", home.lab.directory / "gateways", "--from", home.etc / "config.json", "--clients", home.etc / "clients.json",
        "--host", home.lab.gateway.ip4,
    )  # fmt: skip
    with _on(home, home.disk("provisioned", home.bare), PROMPT) as board:
        board.wait_for_ssh()
        *ssh, to = map(str, board.ssh_command())
        home.owner.environment["KNOCKLET_SSH"] = shlex.join(ssh)
        began = time.perf_counter()
        home.owner.knocklet("provision", NAME, "--to", to, "--yes")
        home.anna.knocklet("knock", NAME, "ssh", "--quiet")
        if home.lab.tcp_open(home.lab.gateway.ip4, _SSH, from_=home.lab.client) != "open":
            raise RuntimeError("the knock did not open")
        return time.perf_counter() - began
