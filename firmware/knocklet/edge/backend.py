"""What both backends do alike: a grant is one entry in one set, or in two that must both have it (idle and max)."""

from ..wire.addresses import family_of
from . import protected
from .firewall import FirewallError, Full, Missing, families
from .netlink import Netlink

_ENOENT = 2


class Backend:
    """What is of one kind only: NAME, FULL (the kernel's error for a full set), install, uninstall, and these three:

    _put(set name, address, seconds, known)    _take(set name, address)    _left(set name): address -> milliseconds
    """

    def __init__(self, run_dir):
        self._run_dir = run_dir
        self._netlink = Netlink()
        self._families = families()
        self._policy = None
        self._names = {}  # (service index, family) -> names of its sets
        self._messages = {}  # set name -> what _put() writes an entry into

    def close(self):
        """Let go of what this object holds; rules and entries stay as they are."""
        self._netlink.close()

    def _installed(self, policy):
        self._policy = policy
        self._names = {}
        self._messages = {}

    def _sets(self, service, family):
        key = (service.index, family)
        if key not in self._names:
            self._names[key] = protected.set_names(service, family)
        return self._names[key]

    def add(self, service, address, left_s, max_left_s=0, known=False):
        """Open for `address` (4 or 16 bytes) for left_s seconds, or set the new end of an entry that is there (`known`:
        the caller thinks so; a wrong guess costs nft one more transaction). A service with idle: also never longer than
        max_left_s. Raises Full, Missing, FirewallError.
        """
        names = self._sets(service, family_of(address))
        if left_s < 1 or len(names) == 2 and max_left_s < 1:
            raise FirewallError("an entry of less than a second")  # 0 would be for ever
        if len(names) == 2:  # the one with the limit first: the door opens with the last one
            self._put(names[1], address, max_left_s, known)
        self._put(names[0], address, left_s, known)

    def remove(self, service, address):
        """Close for `address`. That it is not there is fine. Raises Missing, FirewallError."""
        for name in self._sets(service, family_of(address)):
            self._take(name, address)

    def entries(self):
        """[(service index, address, left_ms, max_left_ms)] as the kernel has them.

        For a service with idle only those in both sets; max_left_ms is 0 for others. ipset counts whole seconds, rounded
        down. Raises Missing, FirewallError.
        """
        if self._policy is None or not self._intact():
            raise Missing("%s: the rules are not as they were made" % self.NAME)
        found = []
        for service in self._policy.services:
            for family in service.families:
                if family in self._families:
                    left_ms = [self._left(name) for name in self._sets(service, family)]
                    for address in left_ms[0]:
                        if address in left_ms[-1]:
                            longest_ms = left_ms[1][address] if len(left_ms) == 2 else 0
                            found.append((service.index, address, left_ms[0][address], longest_ms))
        return found

    def _ask_for(self, what, *arguments):
        """What the kernel tells: what(netlink, ...). Raises Missing, FirewallError."""
        try:
            return what(self._netlink, *arguments)
        except OSError as error:
            self._fail(error.errno)

    def _fail(self, error):
        if error == self.FULL:
            raise Full("%s: the set is full" % self.NAME)
        if error == _ENOENT:
            raise Missing("%s: a set or the table is gone" % self.NAME)
        raise FirewallError("%s: the kernel refused (error %d)" % (self.NAME, error))
