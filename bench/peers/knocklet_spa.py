"""Knocklet with clients that knock by one signed packet, its clock trusted, its replay store on tmpfs unless told otherwise."""

import itertools
import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from net.clients import write_store

from knocklet.wire import spa_packet
from knocklet.wire.keys import ClientKeys

from ..outsider import Outsider
from .knocklet import Knocklet

PORT = 62201
_ID = "home"
_SERVICE = 1
TTL_S = 30


class Client:
    """One who knocks: `keys`, and a stamp that never comes twice."""

    def __init__(self, number):
        self.name = f"client-{number}"
        self.key = bytes([number >> 8, number & 255]) + bytes(range(30))
        self.keys = ClientKeys(self.key, _ID)
        self._last_us = 0

    def packet(self, op=spa_packet.OPEN):
        self._last_us = max(self._last_us + 1, time.time_ns() // 1000)
        return spa_packet.seal(self.keys, os.urandom(spa_packet.IV_BYTES), spa_packet.plaintext(op, _SERVICE, 0, self._last_us))


class KnockletSpa(Knocklet):
    CLIENTS = 8  # they take turns: one alone would come more often than one may
    KINDS = ("spa",)
    TTL_S = TTL_S
    TRUSTED = True

    def __init__(self, place):
        super().__init__(place)
        self._tmpfs = None
        self.config = self.etc() / "config.json"
        self.clients = [Client(number) for number in range(self.CLIENTS)]
        self._turns = itertools.cycle(self.clients)
        self._knocked = None

    def etc(self):
        """The folder of configuration and replay store."""
        self._tmpfs = TemporaryDirectory(prefix="knocklet-bench-", dir="/dev/shm")
        return Path(self._tmpfs.name)

    def write_config(self):
        service = {"index": _SERVICE, "port": self.DOOR, "ttl": self.TTL_S}
        issued = int(time.time()) - 86_400
        more = {"open": ["ssh"], "kinds": self.KINDS, "issued": issued}
        clients = {client.name: {"key": client.key.hex(), **more} for client in self.clients}
        config = {"id": _ID, "interfaces": ["wan0"], "firewall": self.place.lab.firewall, "services": {"ssh": service}}
        self.config.write_text(json.dumps(config))
        self.config.with_name("clients.json").write_text(json.dumps({"clients": clients}))
        for path in self.config.parent.glob("*.json"):
            path.chmod(0o600)
        self.run_dir.mkdir(mode=0o700)
        write_store(self.config.parent / "state")  # as of a gateway that was in use before
        if self.TRUSTED:
            (self.run_dir / "ntp").touch()

    def _engine(self, *arguments):
        return [*super()._engine("--clock", self.run_dir / "none"), *arguments]

    def packets(self, _source):
        self._knocked = next(self._turns)
        return [(PORT, self._knocked.packet())]

    def end(self, source):
        with self.place.client.inside(), Outsider(self.place.gateway.ip4, source) as outsider:
            outsider.send(PORT, self._knocked.packet(spa_packet.CLOSE))

    def log(self):
        """What the engine has said so far, as lines."""
        return self._log.read_text().splitlines()
