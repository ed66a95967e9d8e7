"""The lab: a home network and the world outside of it, made of network namespaces.

       client                           attacker
    198.51.100.2                     198.51.100.66
    2001:db8:1::2                    2001:db8:1::66
         |eth0                            |eth0
    +----+--------------------------------+----+   a bridge, which also is the router to everywhere else:
    |                   wan                    |   198.51.100.254, 2001:db8:1::fe
    +--------------------+---------------------+
                         |wan0  198.51.100.1  2001:db8:1::1
                  +------+------+
    SSH (dropbear)|   gateway   |mgmt0 ------------ eth0| mgmt
        on port 22+------+------+203.0.113.1            203.0.113.2
                         |       2001:db8:2::1          2001:db8:2::2
                         |lan0  192.168.1.1  fd00:1::1
                         |
                         |eth0  192.168.1.50, .60  fd00:1::50, ::60
                        lan     the camera and the heating: admin pages on ports 80 and 443, for the LAN only

What the gateway lets in from wan0 before Knocklet comes: zone.py. Hosts outside have a route to the LAN, as a neighbour
on the provider's segment would; only the zone keeps them out. With zone accept nothing does.

Neighbours on the wan side are entered by hand: nobody asks, so what leaves the gateway there can be counted to the
packet. Checksums on the wire are whole, as between real network cards.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from . import leftovers, wiring
from . import zone as zones
from .flood import Flood
from .generator import Generator
from .host import LabError
from .probes import Probes
from .waiting import wait_until

_PAGE = Path(__file__).with_name("page.py")


class Lab:
    """One lab, from `with` to its end. zone: drop, reject or accept; firewall: ipset or nft.

    Hosts: client, attacker, gateway, camera (the namespace is `lan`), mgmt, wan. Files that go with it: `directory`.
    Several may be up at once. SIGTERM ends one as Ctrl-C does. Raises LabError.
    """

    def __init__(self, zone="drop", firewall="ipset"):
        for name, value, allowed in (("zone", zone, zones.ZONES), ("firewall", firewall, zones.FIREWALLS)):
            if value not in allowed:
                raise LabError(f"{name} {value}: allowed: {', '.join(allowed)}")
        self.zone = zone
        self.firewall = firewall
        self.prefix = leftovers.new_prefix()
        self.directory = leftovers.RUN_DIR / self.prefix
        self.hosts = wiring.hosts(self.prefix)
        self.client = self.hosts["client"]
        self.attacker = self.hosts["attacker"]
        self.gateway = self.hosts["gateway"]
        self.camera = self.hosts["lan"]
        self.mgmt = self.hosts["mgmt"]
        self.wan = self.hosts["wan"]
        self._lasting = []  # processes that a reset leaves alone
        self._added = []  # (host, address with length) of add_address()
        self._probes = Probes()
        self._owner = os.getpid()
        self._old_handlers = {}

    def __enter__(self):
        if os.geteuid() != 0:
            raise LabError("the lab needs root: it makes network namespaces")
        leftovers.remove_stale()
        self._handle(signal.SIGTERM, _interrupt)
        try:
            self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_):
        if os.getpid() == self._owner:  # not in a child that was forked meanwhile
            self._remove()

    def _start(self):
        self.directory.mkdir(mode=0o700)
        wiring.make(self.hosts)
        self._start_ssh()
        self.serve(self.camera, 80, 443)
        self._put_zone_into_force()
        self.plug_wan()
        self.wait_until_listening(self.gateway, 22)
        self.wait_until_quiet()
        self._lasting = [process for host in self.hosts.values() for process in host.started]

    def _start_ssh(self):
        key = self.directory / "dropbear_key"
        self.gateway.run(["dropbearkey", "-t", "ed25519", "-f", key])
        # -F: in the foreground, -E: errors to stderr, -s: nobody can log in with a password
        command = ["dropbear", "-F", "-E", "-s", "-r", key, "-p", "22", "-P", self.directory / "dropbear.pid"]
        self._start_service(self.gateway, "dropbear", command)

    def _start_service(self, host, name, command):
        with open(self.directory / f"{name}.log", "ab") as log:
            host.popen(command, stdout=log, stderr=log, start_new_session=True)

    def _put_zone_into_force(self):
        for command, text in zones.commands(self.zone, self.firewall):
            self.gateway.run(command, input=text)

    def _remove(self):
        for signum in (signal.SIGINT, signal.SIGTERM):  # once begun it is finished
            self._handle(signum, signal.SIG_IGN)
        try:
            leftovers.remove(self.prefix)
            for host in self.hosts.values():
                host.end_processes()
        finally:
            for signum, handler in self._old_handlers.items():
                signal.signal(signum, handler)

    def _handle(self, signum, handler):
        if threading.current_thread() is threading.main_thread():
            old = signal.signal(signum, handler)
            self._old_handlers.setdefault(signum, old)

    def serve(self, host, *ports):
        """Start admin pages (page.PAGE) on these ports of a host, all its addresses; returns when they answer there."""
        self._start_service(host, "pages", [sys.executable, "-S", "-E", _PAGE, *ports])
        for port in ports:
            self.wait_until_listening(host, port)

    def wait_until_listening(self, host, port):
        wait_until(lambda: self.tcp_open("::1", port, from_=host) == "open", f"port {port} of {host.netns}")

    def reset(self):
        """As at the start: the gateway's firewall, connections and outer interface, processes and addresses of all hosts."""
        for host in self.hosts.values():
            host.end_processes(keep=self._lasting)
        while self._added:
            host, address = self._added.pop()
            host.ip(f"address delete {address} dev eth0")
            _forget_connections(host)
        _forget_connections(self.gateway)
        self.gateway.run(["nft", "flush", "ruleset"])
        # rules of the kernel's own nft go some time after the command has ended, and hold their sets until then
        wait_until(lambda: self.gateway.run(["ipset", "destroy"], check=False).returncode == 0, "sets without a rule")
        self.gateway.run(["conntrack", "-F"])
        self._put_zone_into_force()
        if "wan0" in self.gateway.interfaces():
            self.set_up_wan()
        else:
            self.plug_wan()
        self.wait_until_quiet()

    # The wan side, for tests that pull the cable

    def plug_wan(self):
        """Make the gateway's wan0 anew after it was deleted, with addresses and routes."""
        wiring.plug_wan(self.hosts)

    def set_up_wan(self, interface="wan0"):
        """Give the gateway's outer interface its addresses and routes again: going down took them away."""
        wiring.set_up_wan(self.hosts, interface)

    def add_address(self, host, address):
        """Another address, IPv4 or IPv6, for client or attacker: give it to probes as `source`."""
        length = 64 if ":" in address else 24
        host.ip(f"address replace {address}/{length} dev eth0" + (" nodad" if length == 64 else ""))
        if (host, f"{address}/{length}") not in self._added:
            self._added.append((host, f"{address}/{length}"))
        wiring.neighbour(self.gateway, "wan0", host, address)
        return address

    def sent_to_wan(self):
        """How many packets ever left the gateway on wan0, of any kind."""
        return self.gateway.counters("wan0")["tx_packets"]

    def wait_until_quiet(self):
        """Until nothing has left on wan0 for 50 ms: a new address is told to the segment (MLD) at once."""
        seen = [self.sent_to_wan(), time.monotonic()]

        def quiet():
            now, sent = time.monotonic(), self.sent_to_wan()
            if sent != seen[0]:
                seen[:] = sent, now
            return now - seen[1] > 0.05

        wait_until(quiet, "the gateway sends nothing")

    # Probes: from_ is a Host, the client if not given. See probes.py.

    def tcp_open(self, host, port, from_=None, **options):
        """`lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker)`: "open", "refused" or "silent"."""
        return self._probes.tcp_open(host, port, from_ or self.client, **options)

    def udp_open(self, host, port, from_=None, **options):
        """The same for UDP; "open" needs an answer."""
        return self._probes.udp_open(host, port, from_ or self.client, **options)

    def http(self, host, port=80, from_=None, **options):
        """The text of the page at http://host:port/. Raises OSError if there is none."""
        return self._probes.http(host, port, from_ or self.client, **options)

    def knock(self, steps, to=None, from_=None, **options):
        """`lab.knock(["7000/tcp", "9100/udp"])`, at the gateway unless `to`. Returns when the last went."""
        return self._probes.knock(steps, to or self.gateway.ip4, from_ or self.client, **options)

    def datagram(self, data, port, to=None, from_=None, **options):
        """Send one UDP datagram, at the gateway unless `to`."""
        self._probes.datagram(data, port, to or self.gateway.ip4, from_ or self.client, **options)

    # Packets made by hand, see generator.py and packets.py

    def generator(self, from_=None):
        """Frames from a host outside (the attacker, if not given) to the gateway: `with lab.generator() as generator:`."""
        host = from_ or self.attacker
        with host.inside():
            return Generator("eth0", host.mac, self.gateway.mac)

    def flood(self, step="7000/tcp", rate=20_000, to=None, from_=None, prefix=b"", length=0):
        """Spoofed sources, from a process of its own, for as long as `with lab.flood() as flood:`; see flood.rate().

        rate: packets a second, None for as fast as it goes. prefix, length: of a UDP payload, noise behind the prefix.
        """
        port, _, protocol = step.partition("/")
        return Flood(self, from_ or self.attacker, to or self.gateway.ip4, port, protocol, rate, prefix, length)

    def received_from_wan(self):
        """How many packets ever reached the gateway on wan0."""
        return self.gateway.counters("wan0")["rx_packets"]


def _forget_connections(host):
    """What is left of them would be sent again for minutes, and heard where there should be silence."""
    host.run(["ss", "-K", "-tan", "state", "all", "exclude", "listening"], check=False)


def _interrupt(*_):
    raise KeyboardInterrupt
