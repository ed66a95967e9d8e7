"""The configured interfaces: each gets a ring when it appears, follows it through down, rename, delete and re-create.

rtnetlink tells of links and addresses; a name of the configuration is bound to whatever interface carries it now.
"""

from select import POLLERR

from ..core.errors import KnockletError
from ..core.filter import nothing
from ..core.own_addresses import OwnAddresses
from .capture import Capture

_RING_BLOCKS = 8  # 64 KiB each, for all interfaces together


class Interface:
    """One configured name: `ring` (its Capture), `own` (its addresses), `up`, `filter`: which of the filters it has."""

    def __init__(self, name, ring):
        self.name = name
        self.ring = ring
        self.own = OwnAddresses()
        self.up = False
        self.filter = 0


class Interfaces:
    def __init__(self, loop, events):
        self.all = []
        self._loop = loop
        self._events = events
        self._programs = [nothing()]
        self._links = {}  # ifindex -> (name, is it up)
        self._addresses = {}  # ifindex -> set of (address, prefix length): one address may have two, and lose one

    def open_rings(self, names):
        """Rings for the names that have none yet: name -> Capture, for `set`. Raises KnockletError, and then none is open."""
        rings = {}
        try:
            for name in names:
                if name not in [interface.name for interface in self.all]:
                    rings[name] = Capture(max(1, _RING_BLOCKS // len(names)))
        except OSError as error:
            close_rings(rings)
            raise KnockletError("interfaces: no packet socket (error %d): needs root and CONFIG_PACKET" % error.errno)
        return rings

    def set(self, names, rings, programs, now_ms):
        """Listen on these names with these filters (Capture.attach); `rings` are open_rings(names), those of names that
        stay are kept."""
        kept = {interface.name: interface for interface in self.all}
        for name in [name for name in kept if name not in names]:
            interface = kept.pop(name)
            self._loop.remove(interface.ring.socket)
            interface.ring.close()
        self.all = [kept.get(name) or self._new(name, rings[name]) for name in names]
        self.filter(programs)
        self.match(now_ms)

    def filter(self, programs):
        """Replace the filter of all interfaces; no packet that both let through is lost."""
        self._programs = programs
        for interface in self.all:
            if interface.ring.ifindex:
                interface.filter = interface.ring.attach(programs)

    def _new(self, name, ring):
        self._loop.add(ring.socket, lambda flags: flags & POLLERR and ring.clear_error())  # packets: Loop takes them
        return Interface(name, ring)

    # What rtnetlink tells; match() then acts on it.

    def link(self, ifindex, name, up):
        """An interface is there, or has changed its name or state."""
        self._links[ifindex] = (name, up)

    def link_gone(self, ifindex):
        self._links.pop(ifindex, None)
        self._addresses.pop(ifindex, None)
        for interface in self.all:
            if interface.ring.ifindex == ifindex:  # the kernel has unhooked it, even if the number comes back
                interface.ring.ifindex = 0

    def address(self, ifindex, address, added):
        """An interface got (or lost) an address: (4 or 16 bytes, prefix length)."""
        there = self._addresses.setdefault(ifindex, set())
        if added:
            there.add(address)
        else:
            there.discard(address)

    def forget(self):
        """All that is known is to be told anew (rtnetlink lost messages)."""
        self._links.clear()
        self._addresses.clear()
        for interface in self.all:
            interface.ring.ifindex = 0  # it may have been deleted and re-created meanwhile

    def name_of(self, ifindex):
        """The name of this interface, or None."""
        return self._links[ifindex][0] if ifindex in self._links else None

    def match(self, now_ms):
        """Bind every name to the interface that carries it now, and listen for its addresses."""
        for interface in self.all:
            ifindex, up = 0, False
            for index, (name, is_up) in self._links.items():
                if name == interface.name:
                    ifindex, up = index, is_up
            self._bind(interface, ifindex)
            interface.own.set({address for address, _ in self._addresses.get(interface.ring.ifindex, ())})
            if up != interface.up:
                interface.up = up
                self._events.tell(now_ms, "interface_up" if up else "interface_down", interface=interface.name)

    def _bind(self, interface, ifindex):
        ring = interface.ring
        if ring.ifindex == ifindex:
            return
        ring.ifindex = 0
        try:
            ring.attach([nothing()])  # renamed away or gone: what the old binding still hears is not ours
            if ifindex:
                ring.bind(ifindex)
                interface.filter = ring.attach(self._programs)
        except OSError:  # gone again meanwhile: rtnetlink will say so
            ring.ifindex = 0


def close_rings(rings):
    """Close what open_rings gave."""
    for ring in rings.values():
        ring.close()
