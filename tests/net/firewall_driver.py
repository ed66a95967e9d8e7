"""Runs on MicroPython in the gateway's namespace and does with the firewall what it is told, a JSON line at a time.

    micropython firewall_driver.py FIRMWARE_FOLDER RUN_DIR
"""

import json
import sys
import time

sys.path[:] = [sys.argv[1], sys.argv[0].rpartition("/")[0] + "/.."]

from common.orders import obey  # noqa: E402  (only after the path is set)
from knocklet.core import policy as core_policy  # noqa: E402
from knocklet.edge import conntrack, firewall, netlink  # noqa: E402
from knocklet.edge.nft_watch import Watch  # noqa: E402
from knocklet.wire.addresses import format_address, parse_address  # noqa: E402

RUN_DIR = sys.argv[2]


class Driver:
    def __init__(self):
        self.backend = None
        self.policy = None
        self.watch = None

    def load(self, config):
        self.policy = core_policy.load(json.dumps(config).encode())
        for service in self.policy.services:
            service.masquerade = service.masquerade is True

    def path(self, path):
        """Where external programs are looked for."""
        firewall._PATH = "PATH=%s " % path

    def choose(self, config):
        self.load(config)
        if self.backend:
            self.backend.close()
        self.backend, why = firewall.choose(self.policy, RUN_DIR)
        return [self.backend.NAME, why]

    def install(self, config=None):
        """Of a new backend object when there is a config, as the engine does it."""
        if config:
            self.choose(config)
        self.backend.install(self.policy)
        return self.backend.NAME

    def service(self, name):
        return [service for service in self.policy.services if service.name == name][0]

    def add(self, name, address, left, longest=0, known=False):
        self.backend.add(self.service(name), parse_address(address), left, longest, known)

    def fill(self, name, count):
        """Add as many addresses; how many went in."""
        for i in range(count):
            self.backend.add(self.service(name), bytes([10, i >> 16, i >> 8 & 255, i & 255]), 60)

    def remove(self, name, address):
        self.backend.remove(self.service(name), parse_address(address))

    def entries(self):
        names = {service.index: service.name for service in self.policy.services}
        return [[names[index], format_address(address), left_ms, longest_ms]
                for index, address, left_ms, longest_ms in self.backend.entries()]  # fmt: skip

    def cut(self, name, address):
        data, count = parse_address(address), 0
        while True:
            found = conntrack.cut([self.service(name)], data)
            count += found
            if found < conntrack.AT_ONCE:
                return count

    def forget_connections(self):
        """Empty the kernel's connection tracking: nothing of an earlier test is left. (A deletion of nothing in particular.)"""
        asking = netlink.Netlink()
        asking.ask(bytearray(netlink.message(0x102, netlink.REQUEST | netlink.ACK, 0, b"")))
        asking.close()

    def uninstall(self):
        self.backend.uninstall()

    def woken(self):
        """Did the watch say something since the last time?"""
        if self.watch is None:
            self.watch = Watch()
        found = self.watch.drain()
        while self.watch.drain():
            pass
        return found

    def microseconds(self, name, count):
        """Of one add, the quickest of `count`."""
        best = 1 << 29
        for i in range(count):
            before = time.ticks_us()
            self.backend.add(self.service(name), bytes([10, 0, i >> 8, i & 255]), 5)
            best = min(best, time.ticks_diff(time.ticks_us(), before))
        return best


obey(Driver(), Exception, firewall.KnockletError)
