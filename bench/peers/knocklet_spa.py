"""Knocklet with clients that knock by one signed packet, its clock trusted, its replay store on tmpfs unless told otherwise."""

import itertools
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from net.clients import GATEWAY, PORT, KeyClient, write_store

from knocklet.wire.spa_packet import CLOSE

from ..outsider import Outsider
from .knocklet import Knocklet

SERVICE = 1


class KnockletSpa(Knocklet):
    CLIENTS = 8  # they take turns: one alone would come more often than one may
    KINDS = ("spa",)
    TTL_S = 30
    TRUSTED = True

    def __init__(self, place):
        super().__init__(place)
        self._tmpfs = None
        self.config = self.etc() / "config.json"
        self.clients = [KeyClient(f"client-{number}") for number in range(self.CLIENTS)]
        self._turns = itertools.cycle(self.clients)
        self._knocked = None

    def etc(self):
        """The folder of configuration and replay store."""
        self._tmpfs = TemporaryDirectory(prefix="knocklet-bench-", dir="/dev/shm")
        return Path(self._tmpfs.name)

    def write_config(self):
        service = {"index": SERVICE, "port": self.DOOR, "ttl": self.TTL_S}
        issued = int(time.time()) - 86_400
        clients = {client.name: client.entry("ssh", kinds=self.KINDS, issued=issued) for client in self.clients}
        config = {"id": GATEWAY, "interfaces": ["wan0"], "firewall": self.place.lab.firewall, "services": {"ssh": service}}
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
        return [(PORT, self._knocked.packet(SERVICE))]

    def end(self, source):
        with self.place.client.inside(), Outsider(self.place.gateway.ip4, source) as outsider:
            outsider.send(PORT, self._knocked.packet(SERVICE, CLOSE))
