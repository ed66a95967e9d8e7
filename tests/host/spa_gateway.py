"""A stand-in for a gateway, on loopback: takes knock packets over both families, and opens a service when it is told to."""

import json
import socket
import threading

from knocklet.core import policy
from knocklet.wire import spa_packet
from knocklet_tool import clients

HOST = "home.example.net"
_END = b"end"


class Knock:
    """One packet, checked: `family` 4 or 6, and what it says."""

    def __init__(self, keys, payload, address):
        self.family = 4 if address.startswith("::ffff:") else 6
        self.iv = payload[8:24]
        assert len(payload) == spa_packet.BYTES and spa_packet.is_from(keys, payload)
        text = spa_packet.decrypted(keys, payload)
        version, self.op, self.flags, self.service, self.ttl_s, self.stamp_us, self.source = spa_packet.fields(text)
        slot = spa_packet.slot_bytes(self.stamp_us // spa_packet.MINUTE_US)
        assert version == spa_packet.VERSION and payload[:8] == slot + spa_packet.tag(keys, slot)


class SpaGateway:
    """`with SpaGateway(home, knocklet) as gateway:` is described as home, at HOST, with the client anna for its service web.

    add: more words for `client add`; web: more fields of the service.
    opens: {4: 1, 6: 3}: the service answers over IPv4 from the first packet on, over IPv6 from the third, of any family.
    """

    def __init__(self, home, knocklet, opens=None, add=(), **web):
        self.home = home
        self._opens = opens or {}
        self._socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.bind(("::", 0))
        self.spa_port = self._socket.getsockname()[1]
        self._doors = {4: socket.socket(socket.AF_INET), 6: socket.socket(socket.AF_INET6)}
        self._doors[4].bind(("127.0.0.1", 0))
        self.port = self._doors[4].getsockname()[1]
        self._doors[6].bind(("::1", self.port))
        config = {
            "id": "home",
            "interfaces": ["wan0"],
            "spa_port": self.spa_port,
            "services": {"web": {"index": 3, "port": self.port, **web}},
        }
        (home / "config.json").write_text(json.dumps(config))
        assert knocklet("gateway", "describe", "home", home / "config.json", "--host", HOST).exit_code == 0
        assert knocklet("client", "add", "anna", "--open", "web", *add).exit_code == 0
        self.client = policy.load(json.dumps(config).encode(), knocklet("client", "file").stdout_bytes).clients[0]
        self.known = clients.load().client("anna")   # the same, as the tool has it
        self.knocks = []
        self._odd = []
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Take no more. Fails when something came that is no knock."""
        if self._thread.is_alive():
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
                sender.sendto(_END, ("::1", self.spa_port))
            self._thread.join()
            self._socket.close()
            self.connections = sum(map(_accepted, self._doors.values()))
        assert not self._odd

    def _listen(self):
        while True:
            payload, address = self._socket.recvfrom(2048)
            if payload == _END:
                return
            try:
                self.knocks.append(Knock(self.client.keys, payload, address[0]))
            except AssertionError:
                self._odd.append(payload)
            for family, number in self._opens.items():
                if len(self.knocks) == number:
                    self._doors[family].listen()


def _accepted(door):
    """How many connections there were; then it is closed."""
    door.setblocking(False)
    count = 0
    while True:
        try:
            door.accept()[0].close()
            count += 1
        except OSError:   # none left, or it never listened
            door.close()
            return count
