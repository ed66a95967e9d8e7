"""Backend "ipset": grants are entries of kernel ipsets, the rules are iptables'. Only iptables is run; sets go over netlink.

    ADD, DEL: attributes PROTOCOL, SETNAME, DATA { IP { IPADDR_IPV4 | IPADDR_IPV6 }, TIMEOUT (u32 seconds, network order) }

A flush of a set by others (`ipset flush`) is not announced: entries() shows it.
Source: linux/netfilter/ipset/ip_set.h.
"""

import time
from struct import pack, pack_into, unpack_from

from . import backend, conntrack, ipset_names, nft_netlink, protected
from .firewall import FirewallError, exists, families
from .ipset_names import LIST, SETNAME, SUBSYS, VERSION
from .iptables import TOOLS, Iptables
from .netlink import ACK, CREATE, EXCL, NET_BYTEORDER, REQUEST, Netlink, attribute, attributes, message, nest, text, walk

_PROTOCOL, _CREATE, _DESTROY, _ADD, _DEL = 1, 2, 3, 9, 10
_ATTR_TYPENAME, _ATTR_REVISION, _ATTR_FAMILY, _ATTR_DATA, _ATTR_ADT = 3, 4, 5, 7, 8
_ATTR_IP, _ATTR_TIMEOUT, _ATTR_MAXELEM = 1, 6, 19
_IPADDR_IPV4, _IPADDR_IPV6 = 1, 2
_NFPROTO = {4: 2, 6: 10}
_REVISION = 0  # of hash:ip: the first has timeouts

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


class Backend(backend.Backend):
    NAME = "ipset"
    FULL = _ERR_HASH_FULL
    ANNOUNCED = False  # entries that vanish are noticed only by looking

    def __init__(self, run_dir, tool="iptables"):
        """`tool`: iptables, iptables-legacy or iptables-nft. Raises FirewallError when something is missing here."""
        self._iptables = Iptables(run_dir, tool)
        super().__init__(run_dir)
        if _ask(self._netlink, _PROTOCOL, b""):
            self.close()
            raise FirewallError("no ip_set: needs the module ip_set (kmod-ipt-ipset on OpenWrt) and CAP_NET_ADMIN")

    def install(self, policy):
        """Put the policy's rules and sets into force. Entries of sets that stay are not touched. Raises FirewallError."""
        sets = [(name, family) for name, family in protected.all_sets(policy) if family in self._families]
        for name, family in sets:
            self._create(name, family)
        if self._policy is None and not self._iptables.there(self._families):
            conntrack.adopt(policy)
        self._iptables.apply(policy, self._families, self._netlink)
        self._installed(policy)
        _destroy_others(self._netlink, [name for name, _ in sets])
        # What a configuration of the other kind left would keep closed what this one opens.
        if nft_netlink.TABLE in nft_netlink.tables(self._netlink):
            nft_netlink.delete_table(self._netlink, nft_netlink.TABLE)

    def uninstall(self):
        """Take everything of ours away. Raises FirewallError."""
        self._policy = None
        uninstall_all(self._run_dir, self._netlink)

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
            raise FirewallError("no hash:ip sets: needs the module ip_set_hash_ip (kmod-ipt-ipset on OpenWrt)")
        if error not in (0, _EEXIST):
            self._fail(error)

    def rules_announced(self):
        """Does the kernel tell (nft_watch.py) when somebody changes the rules? Else they have to be looked at."""
        return self._iptables.announced()

    def _intact(self):
        return self._iptables.intact(self._netlink)

    # One entry

    def _put(self, name, address, left_s, _known):
        if name not in self._messages:
            self._messages[name] = _entry(_ADD, name, address)
        made = self._messages[name]
        time_at = len(made) - 4
        at = time_at - 4 - len(address)
        made[at : time_at - 4] = address
        pack_into(">I", made, time_at, left_s)
        failed = self._netlink.ask(made)
        if failed:
            self._fail(failed[0])

    def _take(self, name, address):
        failed = self._netlink.ask(_entry(_DEL, name, address))
        if failed and failed[0] != _ERR_EXIST:
            self._fail(failed[0])

    def _left(self, name):
        request = message(SUBSYS | LIST, REQUEST, 0, VERSION + text(SETNAME, name))
        return dict(self._ask_for(Netlink.dump, request, _take_entries))


def _take_entries(out, data, at, end):
    for kind, start, stop in walk(data, at + 4, end):
        if kind == _ATTR_ADT:
            for _, first, last in walk(data, start, stop):
                entry = attributes(data, first, last)
                if _ATTR_IP in entry and _ATTR_TIMEOUT in entry:
                    out.append((entry[_ATTR_IP][4:], 1000 * unpack_from(">I", entry[_ATTR_TIMEOUT])[0]))


def _entry(command, name, address):
    """A message; the address and, as its last four bytes, the time can be written anew."""
    kind, family = (_IPADDR_IPV4, _NFPROTO[4]) if len(address) == 4 else (_IPADDR_IPV6, _NFPROTO[6])
    ip = nest(_ATTR_IP, attribute(kind | NET_BYTEORDER, address))
    data = nest(_ATTR_DATA, ip, attribute(_ATTR_TIMEOUT | NET_BYTEORDER, bytes(4)))
    return bytearray(message(SUBSYS | command, REQUEST | ACK, family, VERSION + text(SETNAME, name) + data))
