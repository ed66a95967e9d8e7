"""iptables as a tool: which one, its rules put into force, and whether they are still there.

Changes by others are noticed without running anything: the kernel counts generations of nf_tables (iptables-nft), and
tells the number and size of the rules of an old table (iptables-legacy). Only when these differ, the rules are read.
"""

import socket
from hashlib import sha256

from . import iptables_rules
from .firewall import OUTPUT, FirewallError, as_text, exists, run
from .libc import getsockopt
from .nft_netlink import generation

_RAW = 3  # SOCK_RAW
_ANY = 255  # IPPROTO_RAW
_INET = {4: (2, 0), 6: (10, 41)}  # address family, level of IP options
_SO_GET_INFO = 64  # IPT_SO_GET_INFO, IP6T_SO_GET_INFO
_INFO = "@84s"  # struct ipt_getinfo: char name[32], u32 valid_hooks, hook_entry[5], underflow[5], num_entries, size

_HELP = (
    # words in a tool's error, and what is needed
    ("set'", "xt_set (iptables-mod-ipset on OpenWrt)"),
    ("ipset", "xt_set (kmod-ipt-ipset on OpenWrt)"),
    ("conntrack", "xt_conntrack (iptables-mod-conntrack-extra on OpenWrt)"),
    ("connmark", "xt_connmark (iptables-mod-conntrack-extra on OpenWrt)"),
    ("addrtype", "xt_addrtype (iptables-mod-extra on OpenWrt)"),
    ("'nat'", "iptable_nat (kmod-ipt-nat on OpenWrt)"),
    ("not found", "the package iptables (ip6tables on OpenWrt)"),
)
TOOLS = ("iptables-legacy", "iptables-nft", "iptables")


def find(run_dir):
    """Which iptables to use, and whether rules or policies of it are in force: (tool, in force).

    Debian has two kinds at once, with rules of their own: the one whose rules are in force, else the system's choice.
    """
    for tool in TOOLS:
        for family in (4, 6):
            if tool == "iptables-legacy" and not _old_tables(family):
                continue
            if run(run_dir, _name(tool, family) + "-save")[0] == 0 and iptables_rules.in_force(_printed(run_dir)):
                return tool, True
    return "iptables", False


def _old_tables(family):
    """Names of the tables of iptables-legacy."""
    try:
        with open("/proc/net/%s_tables_names" % _name("ip", family)) as file:
            return file.read().split()
    except OSError:
        return []


def _name(tool, family):
    """The same of a family: iptables -> ip6tables."""
    return tool if family == 4 else "ip6" + tool[2:]


def _printed(run_dir):
    """The tables that iptables-save has just printed."""
    with open(run_dir + OUTPUT, "rb") as file:
        return iptables_rules.parse_save(as_text(line) for line in file)


class Iptables:
    def __init__(self, run_dir, tool):
        """Raises FirewallError when there is no such tool."""
        self._run_dir = run_dir
        self._tool = tool
        self._wait = " -w 5"  # seconds, for others that change rules; iptables before 1.6.2 cannot
        self._rules = {}  # family -> digest of our rules
        self._seen = {}  # family -> what the kernel counted when they were read
        if not exists(run_dir, tool + "-restore"):
            raise FirewallError("%s-restore: not found: install the package iptables" % tool)

    def apply(self, policy, families, asking):
        """Rules of both families, or of none. `asking`: a Netlink. Raises FirewallError."""
        texts = {family: iptables_rules.restore_text(policy, family, self._saved(family)) for family in families}
        for trial in (" --test", ""):  # what one family refuses, the other does not get either
            for family in families:
                self._restore(family, texts[family], trial)
        self._rules = {}
        for family in families:
            self._seen[family] = _count(asking, family)
            rules = iptables_rules.ours(self._saved(family))
            if len(rules) != iptables_rules.how_many(policy, family):
                raise FirewallError("%s: somebody else changes our rules" % self._tool)
            self._rules[family] = _digest(rules)

    def there(self, families):
        """Are there rules of ours, whatever they say?"""
        return any(iptables_rules.ours(self._saved(family)) for family in families)

    def remove(self, families):
        for family in families:
            text = iptables_rules.removal_text(self._saved(family))
            if text:
                self._restore(family, text)
        self._rules = {}

    def intact(self, asking):
        """Are our rules as apply() made them? `asking`: a Netlink. Raises FirewallError."""
        for family in self._rules:
            count = _count(asking, family)
            if count != self._seen[family]:
                if _digest(iptables_rules.ours(self._saved(family))) != self._rules[family]:
                    return False
                self._seen[family] = count
        return bool(self._rules)

    def announced(self):
        """Does the kernel tell of changes to these rules? Not where there are old tables, of iptables-legacy."""
        return not any(old for count in self._seen.values() for old in count[1:])

    def _saved(self, family):
        name = _name(self._tool, family) + "-save"
        status, error = run(self._run_dir, name)
        if status:
            raise FirewallError(_explained(name, error))
        return _printed(self._run_dir)

    def _restore(self, family, text, trial=""):
        name = _name(self._tool, family) + "-restore"
        command = name + " --noflush" + trial
        status, error = run(self._run_dir, command + self._wait, text)
        if status and self._wait and "option" in error:
            self._wait = ""
            status, error = run(self._run_dir, command, text)
        if status:
            raise FirewallError(_explained(name, error))


def _count(asking, family):
    """What changes whenever somebody changes rules: nf_tables' generation and what the kernel says of old tables."""
    return generation(asking), _old_table(family, "filter"), _old_table(family, "nat")


def _digest(rules):
    return sha256("\n".join(rules).encode()).digest()


def _explained(name, error):
    for words, needed in _HELP:
        if words in error:
            error += ": needs " + needed
            break
    return "%s: %s" % (name, error)


def _old_table(family, table):
    """What the kernel counts of a table of iptables-legacy; None when there is no such table."""
    if table not in _old_tables(family):  # asking for it would make it
        return None
    domain, level = _INET[family]
    asking = socket.socket(domain, _RAW, _ANY)
    try:
        return getsockopt(asking.fileno(), level, _SO_GET_INFO, _INFO, table.encode())
    except OSError:
        return None
    finally:
        asking.close()
