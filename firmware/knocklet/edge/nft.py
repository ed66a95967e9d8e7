"""Backend "nft": grants are elements of sets in our own table `inet knocklet`. `nft` is run by install() only.

An element that is there is not renewed by adding it (before Linux 6.12), so a renewal deletes and adds in one transaction.
"""

from hashlib import sha256
from struct import pack_into

from . import conntrack, ipset_names, nft_netlink, nft_rules, protected
from .firewall import FirewallError, Full, Missing, check_forwarding, exists, run
from .netlink import Netlink
from .nft_netlink import ADD, DELETE, TABLE

_ENOENT = 2
_EEXIST = 17
_ENFILE = 23
_TRIES = 4  # of a transaction whose view of what is there was wrong, at most two sets


def has_fw4():
    """Is OpenWrt's firewall in force?"""
    asking = Netlink()
    found = nft_netlink.tables(asking)
    asking.close()
    return "fw4" in found


class Backend:
    NAME = "nft"
    ANNOUNCED = True  # firewall.Watch tells of every change by others

    def __init__(self, run_dir):
        """Raises FirewallError when something is missing here."""
        self._run_dir = run_dir
        if not exists(run_dir, "nft"):
            raise FirewallError("nft: not found: install the package nftables")
        self._netlink = Netlink()
        self._policy = None
        self._rules = None  # digest of what install() had made
        self._batches = {}  # (service index, family) -> (buffer, heads, places)
        if nft_netlink.generation(self._netlink) is None:
            self.close()
            raise FirewallError("no nf_tables: needs the module nf_tables (kmod-nft-core on OpenWrt) and CAP_NET_ADMIN")

    # install

    def install(self, policy):
        """Put the policy's rules and sets into force, in one transaction. Elements of sets that stay are not touched.

        Raises FirewallError, and then all is as before.
        """
        protected.check(policy)
        check_forwarding(policy)
        there = TABLE in nft_netlink.tables(self._netlink)
        if self._policy is None and not there:
            conntrack.adopt(policy)
        old = [self._read(what) for what in (nft_netlink.chains, nft_netlink.sets)] if there else ()
        text = nft_rules.text(policy, *old)
        self._feed(text)
        self._policy = policy
        self._batches = {}
        rules = self._read(nft_netlink.rules)
        if len(rules) != nft_rules.how_many(text):
            raise FirewallError("nft: somebody else changes table inet %s" % TABLE)
        self._rules = _digest(rules)
        # What a configuration of the other kind left would keep closed what this one opens.
        if ipset_names.ours(self._netlink):
            from .ipset import uninstall_all

            uninstall_all(self._run_dir, self._netlink)

    def uninstall(self):
        """Take everything of ours away. Raises FirewallError."""
        self._policy = None
        self._feed(nft_rules.removal_text())

    def _feed(self, text):
        status, error = run(self._run_dir, "nft -f -", text)
        if status:
            raise FirewallError("nft: " + _explained(error))

    def _read(self, what):
        try:
            return what(self._netlink, TABLE)
        except OSError as error:
            if error.errno == _ENOENT:
                raise Missing("the table inet %s is gone" % TABLE)
            raise FirewallError("nf_tables: the kernel does not tell what is there (error %d)" % error.errno)

    def close(self):
        """This object is not used any more; what it installed stays."""
        self._netlink.close()

    # One entry

    def add(self, service, family, address, left_s, max_left_s=0, known=False):
        """Open for `address` (4 or 16 bytes) for left_s seconds, or set the new end of an entry that is there (`known`:
        the caller thinks so; a wrong guess costs one more transaction). A service with idle: also never longer than
        max_left_s. Raises Full, Missing, FirewallError.
        """
        left_ms = (1000 * left_s, 1000 * max_left_s)
        if left_s < 1 or service.idle_s and max_left_s < 1:
            raise FirewallError("an entry of less than a second")  # 0 would be for ever
        failed = {0: _EEXIST} if known else self._first(service, family, address, left_ms)
        if failed:
            self._renew(protected.set_names(service, family), address, left_ms, failed)

    def _first(self, service, family, address, left_ms):
        """Hot: an entry that was not there. Returns None or {index: errno}."""
        made = self._batches.get((service.index, family)) or self._make(service, family)
        buffer, heads, places = made
        for number in range(len(places)):
            at, time_at = places[number]
            buffer[at : at + len(address)] = address
            pack_into(">I", buffer, time_at, left_ms[number])
        return self._netlink.ask(buffer, heads)

    def _make(self, service, family):
        key = bytes(4 if family == 4 else 16)
        made = nft_netlink.batch(TABLE, [(ADD, name, key, 0) for name in protected.set_names(service, family)])
        self._batches[(service.index, family)] = made
        return made

    def _renew(self, names, address, left_ms, failed):
        """Delete and add; an element that ended meanwhile makes the deletion fail, and with it the whole transaction."""
        there = [True] * len(names)
        for error in failed.values():
            if error != _EEXIST:
                self._fail(error)
        for _ in range(_TRIES):
            steps = [(DELETE, name, address, 0) for number, name in enumerate(names) if there[number]]
            deletes = len(steps)
            steps += [(ADD, name, address, left_ms[number]) for number, name in enumerate(names)]
            buffer, heads, _ = nft_netlink.batch(TABLE, steps)
            failed = self._netlink.ask(buffer, heads)
            if not failed:
                return
            for index, error in failed.items():
                if error == _ENOENT and 0 < index <= deletes:
                    there[names.index(steps[index - 1][1])] = False
                elif error == _EEXIST and index > deletes:
                    there[names.index(steps[index - 1][1])] = True
                else:
                    self._fail(error)
        self._fail(_ENOENT)

    def _fail(self, error):
        if error == _ENFILE:
            raise Full("the nft set is full")
        if error == _ENOENT:
            raise Missing("the nft set is gone")
        raise FirewallError("nft: the kernel refused the element (error %d)" % error)

    def remove(self, service, family, address):
        """Close for `address`. That it is not there is fine. Raises Missing, FirewallError."""
        for name in protected.set_names(service, family):
            buffer, heads, _ = nft_netlink.batch(TABLE, [(DELETE, name, address, 0)])
            failed = self._netlink.ask(buffer, heads)
            for error in failed.values() if failed else ():
                if error != _ENOENT:
                    self._fail(error)

    # What is there

    def rules_announced(self):
        return True

    def entries(self):
        """[(service index, family, address, left_ms, max_left_ms)] as the kernel has them.

        For a service with idle only those in both sets; max_left_ms is 0 for others. Raises Missing, FirewallError.
        """
        if self._policy is None or _digest(self._read(nft_netlink.rules)) != self._rules:
            raise Missing("the rules in table inet %s are not as they were made" % TABLE)
        found = []
        for service in self._policy.services:
            for family in service.families:
                left = [dict(self._elements(name)) for name in protected.set_names(service, family)]
                for address in left[0]:
                    if address in left[-1]:
                        longest_ms = left[1][address] if len(left) == 2 else 0
                        found.append((service.index, family, address, left[0][address], longest_ms))
        return found

    def _elements(self, name):
        try:
            return nft_netlink.elements(self._netlink, TABLE, name)
        except OSError as error:
            if error.errno == _ENOENT:
                raise Missing("a set of table inet %s is gone" % TABLE)
            raise FirewallError("nf_tables: the kernel does not tell its sets (error %d)" % error.errno)


def _digest(rules):
    return sha256(b"".join(rules)).digest()


def _explained(error):
    """What nft said, without the place in the file, and what may help."""
    words = error.split("Error: ")[-1]
    if "No such file" in words or "not supported" in words:
        return words + ": the kernel lacks a part of nf_tables (packages kmod-nft-core, kmod-nft-fib, kmod-nft-nat on OpenWrt)"
    if "ermitted" in words:
        return words + ": the engine needs CAP_NET_ADMIN"
    return words
