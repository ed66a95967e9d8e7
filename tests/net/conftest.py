"""The gateway as device under test: the engine, under MicroPython, in the gateway namespace of a lab.

    def test_knock(lab, dut):                    # on both firewalls, zone drop
        lab.knock(["7000/tcp", "9100/udp", "8000/tcp"])
        assert dut.expect_event("opened")["source"] == lab.client.ip4

    @pytest.mark.parametrize("zone", ["reject"], indirect=True)      # or "firewall": ["nft"], "bits": [32]
    def test_other_zone(lab, dut): ...

A test that wants another configuration overrides `config`; one that starts the engine itself asks for `engine`.
The namespaces are made once for each zone and firewall; every test finds the gateway's firewall as new.
"""

import contextlib
import copy
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from net.clients import KeyClient
from net.heard import Heard
from pytest_embedded import Dut

from lab import Lab
from lab.private import write_private

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
READY = "knocklet-engine: ready"

CONFIG = {
    "interfaces": ["wan0"],
    "services": {
        "ssh": {"index": 1, "port": 22, "ttl": 30},
        "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80", "to6": "[fd00:1::50]:80", "idle": 20, "max": 120},
        "heat": {"index": 3, "port": 8443, "to": "192.168.1.60:443", "ttl": 20, "one_shot": True},
        "admin": {"index": 4, "port": 8888, "ttl": 60, "cut": True},
    },
    "sequences": {
        "front": {"steps": ["7000/tcp", "9100/udp", "8000/tcp"], "open": ["ssh", "camera"]},
        "front-shut": {"steps": ["8000/tcp", "7000/tcp"], "close": ["ssh", "camera"]},
    },
}


class EngineDut(Dut):
    """One engine that can be started, killed and started again; its output, and what it says over its socket.

    `process`: the running engine as Popen, or None. `run_dir`, `config_path`, `state_dir`: where it was told to look.
    `clock_flag`: what NTP touches. `interpreter`: its path. `heap`: as MicroPython's -X heapsize takes it. `options`: more of
    its command line; `wrapper`: what stands before that; `environment`: variables that it has besides ours.
    """

    def __init__(self, lab, interpreter, directory, **embedded):
        super().__init__(app=None, **embedded)
        self.lab = lab
        self.process = None
        self.interpreter = interpreter
        self._directory = directory
        self._reader = None
        self._said = []
        self.config_path = directory / "etc" / "config.json"
        self.state_dir = directory / "etc" / "state"
        self.run_dir = directory / "run"
        self.clock_flag = directory / "clock"
        self.options = []
        self.heap = ""
        self.wrapper = []
        self.environment = {}
        self.config_path.parent.mkdir(mode=0o700)

    def command(self, *arguments):
        """The engine's command line, to run by `lab.gateway.run(dut.command("--check"), check=False)`."""
        paths = ["--config", self.config_path, "--run-dir", self.run_dir, "--agent-user", "nobody", "--clock", self.clock_flag]
        heap = ["-X", f"heapsize={self.heap}"] if self.heap else []
        engine = [self.interpreter, *heap, BUILD / "firmware" / "knocklet_engine.py"]
        return [*self.wrapper, *engine, *paths, *self.options, *arguments]

    def write_config(self, config):
        """Put a configuration (dict, or text as it is) where the engine looks for it. reload() makes it read it."""
        write_private(self.config_path, config if isinstance(config, str) else json.dumps(config, indent=2))

    def write_clients(self, clients):
        """The file of clients beside it: name -> what stands under it."""
        write_private(self.config_path.with_name("clients.json"), json.dumps({"clients": clients}))

    def write_key(self, key):
        """The gateway's key, where the engine looks for it; with it and an `id` in the configuration it reports."""
        write_private(self.config_path.with_name("key"), key)

    def trust_clock(self, trusted=True, at_s=None):
        """NTP has set the clock: an engine that starts believes it, one that runs within 5 s. at_s: by that clock."""
        if trusted:
            self.clock_flag.touch()
            if at_s is not None:
                os.utime(self.clock_flag, (at_s, at_s))
        else:
            self.clock_flag.unlink(missing_ok=True)

    def start(self, wait=True):
        """Start the engine; returns when it is ready, unless wait=False."""
        self.process = self.lab.gateway.popen(
            self.command(),
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._forward, args=(self.process.stdout,), daemon=True)
        self._reader.start()
        if wait:
            self.expect_exact(READY, timeout=10)

    def _forward(self, output):
        with output:
            for line in output:
                self._said.append(line)
                self._q.put(line)

    def kill(self):
        """kill -9, and wait for the end."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            self.lab.gateway.started.remove(self.process)
            self.process = None

    def restart(self):
        self.kill()
        self.start()

    def reload(self):
        """Have the engine read the configuration again. Raises LabError with its line when it refuses."""
        return self.ctl("reload")

    def open_and_shut(self, times):
        """Knock "front" and "front-shut" so often, and wait each time until the engine tells of it."""
        for _ in range(times):
            self.lab.knock(CONFIG["sequences"]["front"]["steps"])
            self.expect_event("opened")
            self.lab.knock(CONFIG["sequences"]["front-shut"]["steps"])
            self.expect_event("closed")

    def ctl_command(self, *words):
        ctl = [self.interpreter, BUILD / "firmware" / "knockletctl.py"]
        return [*ctl, "--run-dir", self.run_dir, "--json", *words]

    def ctl(self, *words):
        """What knockletctl answers, as data: dut.ctl("grants")["grants"]. LabError with its line when it fails."""
        return json.loads(self.lab.gateway.run(self.ctl_command(*words)).stdout)

    def ask(self, verb, **request):
        """The same without knockletctl: quicker."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(5)
            connection.connect(str(self.run_dir / "control"))
            connection.send(json.dumps({"verb": verb, **request}).encode())
            answer = json.loads(connection.recv(65536))
        assert answer.pop("ok"), answer
        return answer

    def told(self, *event_types):
        """The types of all its events of these types, in order: at least up to the last one that was expected."""
        return [event["event_type"] for event in self.events(*event_types)]

    def events(self, *event_types):
        """The events themselves."""
        events = (json.loads(line[line.index(b"{") :]) for line in self._said if b'{"event_type"' in line)
        return [event for event in events if event["event_type"] in event_types]

    def expect_event(self, event_type, timeout=5, **fields):
        """Wait for the next event of this type with these fields, and return it as dict. Others are passed over."""
        pattern = re.compile(rb'\{[^\n]*"event_type": ?"%s"[^\n]*\}(?=\r?\n)' % event_type.encode())
        while True:
            event = json.loads(self.expect(pattern, timeout=timeout)[0])
            if fields.items() <= event.items():
                return event


@pytest.fixture(scope="session")
def session_root_logdir():
    """pytest-embedded's logs lie in build/, and only those of the last run."""
    path = BUILD / "test_logs" / os.environ.get("PYTEST_XDIST_WORKER", "alone")
    shutil.rmtree(path, ignore_errors=True)
    return str(path)


@pytest.fixture
def anna():
    """A client with a key, for tests that put her into their config."""
    return KeyClient("anna")


@pytest.fixture
def ben():
    return KeyClient("ben")


@pytest.fixture
def test_case_name(request):
    """Where a test's log lies: two files may have a test of one name, and an engine is ready when its log says so."""
    return f"{request.path.stem}-{request.node.name}".replace("/", "-")


@pytest.fixture(scope="session")
def labs():
    """A function (zone, firewall) -> Lab. Each is made once and stays up to the end of all tests."""
    made = {}
    with contextlib.ExitStack() as stack:

        def get(zone, firewall):
            if (zone, firewall) in made:
                made[zone, firewall].reset()
            else:
                made[zone, firewall] = stack.enter_context(Lab(zone=zone, firewall=firewall))
            return made[zone, firewall]

        yield get


@pytest.fixture
def zone(request):
    return getattr(request, "param", "drop")


@pytest.fixture(params=["ipset", "nft"])
def firewall(request):
    return request.param


@pytest.fixture
def bits(request):
    """Of the interpreter: 64 or 32."""
    return getattr(request, "param", 64)


@pytest.fixture
def lab(labs, zone, firewall):
    return labs(zone, firewall)


@pytest.fixture
def config(zone, firewall):
    """What `engine` starts with. To change it: def config(config): config["decoys"] = 0; return config."""
    return {**copy.deepcopy(CONFIG), "zone": zone, "firewall": firewall}


@pytest.fixture
def heard(_pexpect_logfile):
    heard = Heard(Path(_pexpect_logfile))
    yield heard
    heard.close()


@pytest.fixture
def dut_directory():
    """The engine's, which other users may pass through. Not tmp_path: any pytest that starts shuts that to the others."""
    with tempfile.TemporaryDirectory(prefix="knocklet-dut-") as made:
        os.chmod(made, 0o711)
        yield Path(made)


@pytest.fixture
def engine(lab, config, bits, dut_directory, heard, _pexpect_logfile, test_case_name):
    """An engine with its configuration written, not started yet."""
    engine = EngineDut(
        lab,
        BUILD / "micropython" / str(bits) / "micropython",
        dut_directory,
        msg_queue=heard,
        pexpect_proc=heard,
        pexpect_logfile=_pexpect_logfile,
        test_case_name=test_case_name,
    )
    engine.write_config(config)
    yield engine
    engine.kill()


@pytest.fixture
def dut(engine):
    """The engine, ready."""
    engine.start()
    return engine
