"""A real mosquitto on loopback, with the files that `knocklet broker setup` wrote, included as Debian's mosquitto.conf does."""

import shutil
import signal
import socket
import subprocess
from pathlib import Path

from typer.testing import CliRunner

from knocklet_tool.main import app
from knocklet_tool.mqtt import Link
from knocklet_tool.settings import Broker
from lab.waiting import wait_until

HOST = "localhost"
_MAIN = """\
user root
persistence true
persistence_location {place}/
log_dest file {place}/log
include_dir {place}/conf.d
"""


class RealBroker:
    """`files`: what set-up wrote. Runs from start() to stop()."""

    def __init__(self, place: Path, gateways=("home", "attic"), configuration=None):
        self.place = place
        self.files = place / "files"
        self.port = free_port()
        self._process = None
        (place / "conf.d").mkdir()
        (place / "main.conf").write_text(_MAIN.format(place=place))
        self.setup(*gateways)
        own = place / "conf.d" / "knocklet.conf"
        if configuration is None:
            shutil.copy(self.files / "knocklet.conf", own)
        else:
            own.write_text(configuration(self))

    def setup(self, *gateways):
        words = ["broker", "setup", self.files, "--host", HOST, "--host", "127.0.0.1", "--port", self.port]
        words += ["--place", self.files]
        for gateway in gateways:
            words += ["--gateway", gateway]
        home = {"XDG_CONFIG_HOME": str(self.place / "config")}   # not that of whoever runs the tests
        done = CliRunner().invoke(app, [str(word) for word in words], prog_name="knocklet", env=home)
        assert done.exit_code == 0, done.output
        return done

    def start(self):
        self._process = subprocess.Popen(
            ["/usr/sbin/mosquitto", "-c", self.place / "main.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._listens, "mosquitto listens", timeout_s=20, interval_s=0.05)

    def stop(self, how=signal.SIGTERM):
        if self._process:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def _listens(self):
        if self._process.poll() is not None:
            raise AssertionError(f"mosquitto ended: {(self.place / 'log').read_text()[-2000:]}")
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def password_file(self, user):
        return self.files / "passwords" / user

    def as_user(self, user):
        """A Broker for Link()."""
        ca = str(self.files / "ca.crt")
        return Broker(HOST, self.port, True, ca, user, self.password_file(user).read_text().strip())

    def link(self, user):
        return Link(self.as_user(user))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def free_port():
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]
