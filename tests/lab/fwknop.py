"""Debian's fwknop client: its command line, with the keys of a client of the gateway in a file of its own."""

import base64
import os

from .private import write_private


class FwknopClient:
    """`keys`: what the gateway's configuration holds of it. digest: of its HMAC; directory: where its files lie."""

    def __init__(self, directory, digest="sha256", key_bytes=32, hmac_key_bytes=64):
        self.directory = directory
        key, hmac_key = os.urandom(key_bytes), os.urandom(hmac_key_bytes)
        self.keys = {"key": base64.b64encode(key).decode(), "hmac_key": base64.b64encode(hmac_key).decode(), "hmac": digest}
        directory.mkdir(mode=0o700)
        self._rc = directory / "fwknoprc"
        lines = ["[default]", f"KEY_BASE64 {self.keys['key']}", f"HMAC_KEY_BASE64 {self.keys['hmac_key']}", "USE_HMAC Y"]
        lines.append(f"HMAC_DIGEST_TYPE {digest.upper()}")
        write_private(self._rc, "\n".join(lines) + "\n")

    def command(self, destination, *words):
        """To run on the client's host: makes a packet, sends it, and keeps a copy for packet()."""
        keep = ["--rc-file", self._rc, "--no-home-dir", "--save-args-file", self.directory / "args", "--no-save-args"]
        return ["fwknop", "--destination", destination, *keep, "--save-packet", self._packet, *words]

    @property
    def _packet(self):
        return self.directory / "packet"

    def packet(self):
        """The payload that the last command made."""
        return self._packet.read_bytes().removesuffix(b"\n")
