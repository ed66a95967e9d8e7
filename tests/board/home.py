"""Whose board it is: the lab around it, its owner with his broker, and disks of it. Tests and bench share it."""

import importlib.util
import json
import subprocess
from functools import cached_property
from pathlib import Path

from lab.board import Board
from lab.owner import NAME, Owner
from lab.private import write_private
from lab.visitor import KNOCKLET, Visitor

_BUILDER = Path(__file__).resolve().parent.parent.parent / "scripts" / "build_board_image.py"
READY = b"knocklet-engine: ready, firewall nft"
PROMPT = b"Please press Enter"
CONNECTED = "port 8883: connected"
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
        _builder().build(directory, lab.authorized_key())
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

    @cached_property
    def installed(self):
        board = Board(self.lab, self.disk("installing", self.bare), self.initrd)
        board.power_on()
        try:
            board.wait_for_ssh()
            board.put("/tmp/knocklet.deb", self.package().read_bytes())
            board.ssh("/usr/bin/dpkg -i /tmp/knocklet.deb")
            for name in ("config.json", "clients.json", "key", "agent.json"):
                board.put(f"/etc/knocklet/{name}", (self.etc / name).read_bytes())
            board.ssh("/etc/init.d/knocklet enable")
            board.power_off()
        finally:
            board.power_cut()
        return board.disk


def _builder():
    spec = importlib.util.spec_from_file_location(_BUILDER.stem, _BUILDER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
