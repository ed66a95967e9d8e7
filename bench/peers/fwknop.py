"""Debian's fwknopd at default settings, opening with an iptables rule of its own; the packets are made by its own client."""

import base64
import os
import subprocess

_PORT = 62201
_SERVER = """PCAP_INTF {interface};
FWKNOP_RUN_DIR {directory};
"""
_ACCESS = """SOURCE ANY
KEY_BASE64 {key}
HMAC_KEY_BASE64 {hmac_key}
"""


class Fwknopd:
    NAME = "fwknopd"
    DOOR = 8022
    GAP_S = 0.0

    def __init__(self, place):
        self.place = place
        self._directory = place.directory / "fwknop"
        self._keys = {"key": base64.b64encode(os.urandom(32)).decode(), "hmac_key": base64.b64encode(os.urandom(64)).decode()}
        self.pid = None

    def start(self):
        self.place.door(self.DOOR)
        self._directory.mkdir(mode=0o700)
        for name, text in (("fwknopd.conf", _SERVER), ("access.conf", _ACCESS)):
            path = self._directory / name
            path.write_text(text.format(interface="wan0", directory=self._directory, **self._keys))
            path.chmod(0o600)
        command = ["fwknopd", "--foreground", "-c", self._directory / "fwknopd.conf", "-a", self._directory / "access.conf"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.pid = self.place.gateway.popen(command, **quiet).pid

    def packets(self, source):
        """One SPA packet: fwknop's client makes it and, told to test, keeps it instead of sending it."""
        path = self._directory / "packet"
        path.unlink(missing_ok=True)
        rc = self._directory / "fwknoprc"  # it would make one in root's home
        command = ["fwknop", "--test", "--access", f"tcp/{self.DOOR}", "--allow-ip", source]
        command += ["--destination", self.place.gateway.ip4, "--save-packet", path, "--rc-file", rc, "--no-save-args"]
        command += ["--key-base64-rijndael", self._keys["key"], "--key-base64-hmac", self._keys["hmac_key"], "--use-hmac"]
        subprocess.run(command, check=True, capture_output=True)
        return [(_PORT, path.read_bytes().strip())]

    def end(self, _source):
        """It takes its rule away by itself after 30 s."""
