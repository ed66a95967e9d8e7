"""Backend "nft": grants are elements of sets in our own table `inet knocklet`. `nft` is run by install() only.

An element that is there is not renewed by adding it (before Linux 6.12), so a renewal deletes and adds in one transaction.
"""

from hashlib import sha256
from struct import pack_into

from . import backend, conntrack, ipset_names, nft_netlink, nft_rules
from .firewall import FirewallError, exists, run
from .netlink import Netlink
from .nft_netlink import TABLE

_ENOENT = 2
_EEXIST = 17
_ENFILE = 23
_GUESSES = 4  # whether the element is there: it may end, or others may add it, between two of them


def has_fw4():
    """Is OpenWrt's firewall in force?"""
    asking = Netlink()
    found = nft_netlink.tables(asking)
    asking.close()
    return "fw4" in found


class Backend(backend.Backend):
    NAME = "nft"
    FULL = _ENFILE
    ANNOUNCED = True  # nft_watch.py tells of every change by others

    def __init__(self, run_dir):
        """Raises FirewallError when something is missing here."""
        if not exists(run_dir, "nft"):
            raise FirewallError("nft: not found: install the package nftables")
        super().__init__(run_dir)
        self._rules = None  # digest of what install() had made
        if nft_netlink.generation(self._netlink) is None:
            self.close()
            raise FirewallError("no nf_tables: needs the module nf_tables (kmod-nft-core on OpenWrt) and CAP_NET_ADMIN")

    def install(self, policy):
        """Put the policy's rules and sets into force, in one transaction. Elements of sets that stay are not touched.

        Raises FirewallError, and then all is as before.
        """
        there = TABLE in nft_netlink.tables(self._netlink)
        if self._policy is None and not there:
            conntrack.adopt(policy)
        old = [self._ask_for(what, TABLE) for what in (nft_netlink.chains, nft_netlink.sets)] if there else ()
        text = nft_rules.text(policy, *old)
        self._feed(text)
        self._installed(policy)
        rules = self._ask_for(nft_netlink.rules, TABLE)
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
        nft_netlink.delete_table(self._netlink, TABLE)

    def _feed(self, text):
        status, error = run(self._run_dir, "nft -f -", text)
        if status:
            words = error.split("Error: ")[-1]  # without the place in the file
            if "No such file" in words or "not supported" in words:
                words += ": does the kernel lack a part of nf_tables (kmod-nft-fib, kmod-nft-nat on OpenWrt)?"
            raise FirewallError("nft: " + words)

    def rules_announced(self):
        return True

    def _intact(self):
        return _digest(self._ask_for(nft_netlink.rules, TABLE)) == self._rules

    # One element

    def _put(self, name, address, left_s, known):
        for _ in range(_GUESSES):
            buffer, heads, at = self._batch(name, address, known)
            buffer[at : at + len(address)] = address
            pack_into(">I", buffer, at + len(address) + nft_netlink.TIME_AFTER_KEY, 1000 * left_s)
            failed = self._netlink.ask(buffer, heads)
            if not failed:
                return
            if failed.get(1) != (_ENOENT if known else _EEXIST):
                break
            known = not known
        self._fail(max(failed.values()))

    def _batch(self, name, address, known):
        """The transaction for an element that is there, or is not: the latter is hot, and kept."""
        if known:
            return nft_netlink.batch((nft_netlink.DELETE, nft_netlink.ADD), name, address)
        if name not in self._messages:
            self._messages[name] = nft_netlink.batch((nft_netlink.ADD,), name, address)
        return self._messages[name]

    def _take(self, name, address):
        buffer, heads, _ = nft_netlink.batch((nft_netlink.DELETE,), name, address)
        failed = self._netlink.ask(buffer, heads)
        if failed and failed.get(1) != _ENOENT:
            self._fail(max(failed.values()))

    def _left(self, name):
        return self._ask_for(nft_netlink.elements, name)


def _digest(rules):
    return sha256(b"".join(rules)).digest()
