"""Knocklet as a gateway runs it: build/firmware/ on MicroPython, everything at its default but the services and sequences."""

import json

from lab.waiting import wait_until

from ..outsider import Outsider
from ..paths import FIRMWARE, MICROPYTHON
from ..sample import knock

STEPS = (9100, 9300, 9200)
_SHUT = (9300, 9400)


class Knocklet:
    NAME = "Knocklet"
    DOOR = 9022
    GAP_S = 0.005
    HEAP = ""  # as MicroPython's -X heapsize takes it

    def __init__(self, place, interpreter=MICROPYTHON[64]):
        self.place = place
        self.run_dir = place.directory / "knocklet"
        self.log = place.directory / "knocklet.log"   # what it says
        self._micropython = interpreter
        self._process = None
        self.config = place.directory / "config.json"
        self.first_step = STEPS[0]
        self.pid = None
        self.id = None  # the gateway's name, where it reports

    def trust_clock(self):
        """As if NTP had set it, before start()."""
        self.run_dir.mkdir(mode=0o700, exist_ok=True)
        (self.run_dir / "ntp").touch()

    def write_config(self):
        sequences = {
            "front": {"steps": [f"{port}/tcp" for port in STEPS], "open": ["ssh"]},
            "front-shut": {"steps": [f"{port}/tcp" for port in _SHUT], "close": ["ssh"]},
        }
        service = {"index": 1, "protocol": "tcp", "port": self.DOOR, "ttl": 30}
        config = {"interfaces": ["wan0"], "firewall": self.place.lab.firewall}
        if self.id:
            config["id"] = self.id
        self.config.write_text(json.dumps({**config, "services": {"ssh": service}, "sequences": sequences}))
        self.config.chmod(0o600)

    def start(self):
        self.place.door(self.DOOR)
        self.write_config()
        with open(self.log, "wb") as log:
            self._process = self.place.gateway.popen(self._engine("--config", self.config), stdout=log, stderr=log)
        self.pid = self._process.pid
        wait_until(self._is_ready, "the engine is ready")

    def stop(self):
        """End it and take all of its rules away."""
        self._process.kill()
        self._process.wait()
        self.place.gateway.run(self._engine("--uninstall"))

    def _engine(self, *arguments):
        options = ["--run-dir", self.run_dir, "--agent-user", "nobody"]
        heap = ["-X", f"heapsize={self.HEAP}"] if self.HEAP else []
        return [self._micropython, *heap, FIRMWARE / "knocklet_engine.py", *options, *arguments]

    def _is_ready(self):
        said = self.log.read_text()
        if self._process.poll() is not None:
            raise RuntimeError(f"the engine has ended: {' '.join(said.split())}")
        return "knocklet-engine: ready" in said

    def status(self):
        """What `knockletctl status` tells."""
        command = [self._micropython, FIRMWARE / "knockletctl.py", "--run-dir", self.run_dir, "--json", "status"]
        return json.loads(self.place.gateway.run(command).stdout)

    def packets(self, _source):
        return [(port, None) for port in STEPS]

    def end(self, source):
        """Knock the sequence that closes."""
        with self.place.client.inside(), Outsider(self.place.gateway.ip4, source) as outsider:
            knock(outsider, [(port, None) for port in _SHUT], self.GAP_S)
