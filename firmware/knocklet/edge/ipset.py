"""Backend "ipset": grants are entries of kernel ipsets, the rules are iptables'. Only iptables is run; sets go over netlink.

    ADD, DEL: attributes PROTOCOL, SETNAME, DATA { IP { IPADDR_IPV4 | IPADDR_IPV6 }, TIMEOUT (u32 seconds, network order) }

Timeouts are whole seconds. A flush of a set by others (`ipset flush`) is not announced: entries() shows it.
Source: linux/netfilter/ipset/ip_set.h.
"""

import time
from struct import pack, pack_into, unpack_from

from . import conntrack, ipset_names, netlink, nft_netlink, protected
from .firewall import FirewallError, Full, Missing, check_forwarding, exists, families
from .ipset_names import LIST, SETNAME, SUBSYS, VERSION
from .iptables import TOOLS, Iptables
from .netlink import ACK, CREATE, EXCL, HEADER_BYTES, NET_BYTEORDER, REQUEST, attribute, attributes, message, nest, text, walk

_PROTOCOL, _CREATE, _DESTROY, _ADD, _DEL = 1, 2, 3, 9, 10
_ATTR_TYPENAME, _ATTR_REVISION, _ATTR_FAMILY, _ATTR_DATA, _ATTR_ADT = 3, 4, 5, 7, 8
_ATTR_IP, _ATTR_TIMEOUT, _ATTR_MAXELEM = 1, 6, 19
_IPADDR = {4: 1, 6: 2}
_NFPROTO = {4: 2, 6: 10}
_REVISION = 0  # of hash:ip: the first has timeouts

_NO_IP_SET = "the kernel has no ip_set: load the module ip_set (package kmod-ipt-ipset on OpenWrt)"
_EPERM = 1
_ENOENT = 2
_EEXIST = 17
_ERR_FIND_TYPE = 4098
_ERR_BUSY = 4100
_ERR_REFERENCED = 4108
_ERR_EXIST = 4103  # DEL: there is no such entry
_ERR_HASH_FULL = 4352
_DESTROY_TRIES = 50  # nf_tables lets go of a set some milliseconds after the rule that used it
_DESTROY_WAIT_MS = 10


def uninstall_all(run_dir, asking):
    """Take away what any of the iptables has of ours, and the sets. Raises FirewallError."""
    for tool in TOOLS:
        if exists(run_dir, tool + "-restore"):
            Iptables(run_dir, tool).remove(families())
    _destroy_others(asking, ())


def _ask(asking, command, attrs, flags=0, family=0):
    """Returns 0 or an errno."""
    failed = asking.ask(bytearray(message(SUBSYS | command, REQUEST | ACK | flags, family, VERSION + attrs)))
    return failed[0] if failed else 0


def _destroy_others(asking, keep):
    """Destroy our sets that no rule uses any more. One that stays in use is left: nothing of ours refers to it."""
    for name in ipset_names.ours(asking):
        tries = _DESTROY_TRIES if name not in keep else 0
        while tries and _ask(asking, _DESTROY, text(SETNAME, name)) in (_ERR_BUSY, _ERR_REFERENCED):
            time.sleep_ms(_DESTROY_WAIT_MS)
            tries -= 1


class Backend:
    NAME = "ipset"
    ANNOUNCED = False  # entries that vanish are noticed only by looking

    def __init__(self, run_dir, tool="iptables"):
        """`tool`: iptables, iptables-legacy or iptables-nft. Raises FirewallError when something is missing here."""
        self._iptables = Iptables(run_dir, tool)
        self._netlink = netlink.Netlink()
        self._families = families()
        self._policy = None
        self._messages = {}  # (service index, family) -> ((message, offset of the address, offset of the time), ...)
        error = _ask(self._netlink, _PROTOCOL, b"")
        if error:
            self.close()
            raise FirewallError("ipset: the engine needs CAP_NET_ADMIN" if error == _EPERM else _NO_IP_SET)

    def close(self):
        """Let go of what this object holds; rules and entries stay as they are."""
        self._netlink.close()

    # install

    def install(self, policy):
        """Put the policy's rules and sets into force. Entries of sets that stay are not touched. Raises FirewallError."""
        protected.check(policy)
        check_forwarding(policy)
        sets = [(name, family) for name, family in protected.all_sets(policy) if family in self._families]
        for name, family in sets:
            self._create(name, family)
        if self._policy is None and not self._iptables.there(self._families):
            conntrack.adopt(policy)
        self._iptables.apply(policy, self._families, self._netlink)
        self._policy = policy
        self._messages = {}
        _destroy_others(self._netlink, [name for name, _ in sets])
        # What a configuration of the other kind left would keep closed what this one opens.
        if nft_netlink.TABLE in nft_netlink.tables(self._netlink):
            nft_netlink.delete_table(self._netlink, nft_netlink.TABLE)

    def uninstall(self):
        """Take everything of ours away. Raises FirewallError."""
        self._iptables.remove(self._families)
        self._policy = None
        _destroy_others(self._netlink, ())

    def _create(self, name, family):
        data = nest(
            _ATTR_DATA,
            attribute(_ATTR_TIMEOUT | NET_BYTEORDER, pack(">I", protected.DEFAULT_S)),
            attribute(_ATTR_MAXELEM | NET_BYTEORDER, pack(">I", protected.SET_LIMIT)),
        )
        attrs = text(SETNAME, name) + text(_ATTR_TYPENAME, "hash:ip")
        attrs += attribute(_ATTR_REVISION, bytes([_REVISION])) + attribute(_ATTR_FAMILY, bytes([_NFPROTO[family]]))
        error = _ask(self._netlink, _CREATE, attrs + data, CREATE | EXCL, _NFPROTO[family])
        if error == _ERR_FIND_TYPE:
            raise FirewallError("the kernel has no hash:ip sets: load the module ip_set_hash_ip (kmod-ipt-ipset on OpenWrt)")
        if error not in (0, _EEXIST):
            raise FirewallError("ipset %s cannot be made (error %d)" % (name, error))

    # One entry

    def add(self, service, family, address, left_s, max_left_s=0, known=False):
        """Open for `address` (4 or 16 bytes) for left_s seconds, or set the new end of an entry that is there. `known`
        does not matter here. A service with idle: also never longer than max_left_s. Raises Full, Missing, FirewallError.
        """
        messages = self._messages.get((service.index, family)) or self._make(service, family)
        if left_s < 1 or len(messages) == 2 and max_left_s < 1:
            raise FirewallError("an entry of less than a second")  # 0 would be for ever
        # The set with the limit first: the door opens with the last one.
        if len(messages) == 2:
            self._send(messages[1], address, max_left_s)
        self._send(messages[0], address, left_s)

    def _make(self, service, family):
        made = tuple([self._entry(_ADD, name, family) for name in protected.set_names(service, family)])
        self._messages[(service.index, family)] = made
        return made

    def _entry(self, command, name, family, address=None):
        """(message, offset of the address in it, offset of the time): both are written in for each entry."""
        size = 4 if family == 4 else 16
        place = text(SETNAME, name)
        at = HEADER_BYTES + 8 + len(place) + 12  # behind PROTOCOL, SETNAME and the heads of DATA, IP and IPADDR
        ip = nest(_ATTR_IP, attribute(_IPADDR[family] | NET_BYTEORDER, address or bytes(size)))
        data = nest(_ATTR_DATA, ip, attribute(_ATTR_TIMEOUT | NET_BYTEORDER, bytes(4)))
        body = VERSION + place + data
        made = message(SUBSYS | command, REQUEST | ACK, _NFPROTO[family], body)
        return bytearray(made), at, at + size + 4

    def _send(self, entry, address, left_s):
        made, at, time_at = entry
        made[at : at + len(address)] = address
        pack_into(">I", made, time_at, left_s)
        failed = self._netlink.ask(made)
        if failed:
            self._fail(failed[0])

    def _fail(self, error):
        if error == _ERR_HASH_FULL:
            raise Full("the ipset is full")
        if error == _ENOENT:
            raise Missing("the ipset is gone")
        raise FirewallError("ipset: the kernel refused the entry (error %d)" % error)

    def remove(self, service, family, address):
        """Close for `address`. That it is not there is fine. Raises Missing, FirewallError."""
        for name in protected.set_names(service, family):
            failed = self._netlink.ask(self._entry(_DEL, name, family, address)[0])
            if failed and failed[0] != _ERR_EXIST:
                self._fail(failed[0])

    # What is there

    def rules_announced(self):
        """Does the kernel tell (nft_watch.py) when somebody changes the rules? Else they have to be looked at."""
        return self._iptables.announced()

    def entries(self):
        """[(service index, family, address, left_ms, max_left_ms)] as the kernel has them; whole seconds, rounded down.

        For a service with idle only those in both sets; max_left_ms is 0 for others. Raises Missing, FirewallError.
        """
        if self._policy is None or not self._iptables.intact(self._netlink):
            raise Missing("the iptables rules are not as they were made")
        found = []
        for service in self._policy.services:
            for family in [family for family in service.families if family in self._families]:
                left = [self._read(name) for name in protected.set_names(service, family)]
                for address in left[0]:
                    if address in left[-1]:
                        longest_s = left[1][address] if len(left) == 2 else 0
                        found.append((service.index, family, address, 1000 * left[0][address], 1000 * longest_s))
        return found

    def _read(self, name):
        """address -> seconds left, of one set."""
        left_s = {}
        for data, at, end in self._list(text(SETNAME, name)):
            for kind, start, stop in walk(data, at, end):
                if kind == _ATTR_ADT:
                    for _, first, last in walk(data, start, stop):
                        entry = attributes(data, first, last)
                        if _ATTR_IP in entry and _ATTR_TIMEOUT in entry:
                            left_s[entry[_ATTR_IP][4:]] = unpack_from(">I", entry[_ATTR_TIMEOUT], 0)[0]
        return left_s

    def _list(self, what):
        """The kernel's messages about sets: [(data, at, end)]."""
        body = VERSION + what
        try:
            return self._netlink.dump(message(SUBSYS | LIST, REQUEST, 0, body), _keep)
        except OSError as error:
            if error.errno == _ENOENT:
                raise Missing("an ipset is gone")
            raise FirewallError("ipset: the kernel does not tell its sets (error %d)" % error.errno)


def _keep(out, data, at, end):
    out.append((data, at + 4, end))
