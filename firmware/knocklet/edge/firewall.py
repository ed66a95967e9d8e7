"""The firewall: which of the two backends fits this system, and how their troubles are told.

A backend has four verbs and a way out (ipset.py and nft.py):
    install(policy)   rules and sets, as one step; entries that still fit stay
    add(service, address, left_s, max_left_s=0, known=False)    one entry, acknowledged by the kernel
    remove(service, address)
    entries()         what the kernel holds
    uninstall()       nothing of ours is left
"""

import os

from ..core.errors import KnockletError


class FirewallError(KnockletError):
    """The firewall did not do it: one line, with the package or setting that helps where that is known."""


class Missing(FirewallError):
    """Something that install() made is not there any more: somebody flushed or deleted it."""


class Full(FirewallError):
    """No room for another entry."""


_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH "
OUTPUT = "/firewall.out"  # in the run directory: what the last program printed


def run(run_dir, command, text=""):
    """Run `command` (fixed words only), with `text` as its input. Returns (exit status, first line of what it said of errors).

    What goes in and comes out lies in files in `run_dir`, which is root's alone: firewall.in, firewall.out, firewall.err.
    """
    if run_dir[:1] != "/" or not all(c.isalpha() or c.isdigit() or c in "_-./" for c in run_dir):
        raise FirewallError("run directory %s: allowed: letters, digits, and _ - . / after a first /" % run_dir)
    path = run_dir + OUTPUT[:-3]
    try:
        with open(path + "in", "w") as file:
            file.write(text)
        status = os.system(_PATH + command + " <%sin >%sout 2>%serr" % (path, path, path))
        with open(path + "err", "rb") as file:
            said = [line for line in [as_text(line).strip() for line in file] if line and line[0] != "#"]
    except OSError as error:
        raise FirewallError("%s: cannot be run with files in %s (error %d)" % (command, run_dir, error.errno))
    return status >> 8 or status & 0x7F, said[0] if said else "no word why"


def as_text(line):
    """A line that a program printed: others write into rules what they like, in whatever letters."""
    return "".join([chr(byte) if byte < 127 else "?" for byte in line])


def exists(run_dir, tool):
    """Is there such a program?"""
    return run(run_dir, "command -v " + tool)[0] == 0


def check_forwarding(policy):
    """A service on a LAN host needs the kernel to forward. Raises FirewallError."""
    for service in policy.services:
        for there, setting in ((service.to, "net.ipv4.ip_forward"), (service.to6, "net.ipv6.conf.all.forwarding")):
            if there is not None and _setting(setting) != "1":
                raise FirewallError("services.%s: leads to another device, but the kernel does not forward: set %s = 1"
                                    % (service.name, setting))  # fmt: skip


def _setting(name):
    try:
        with open("/proc/sys/" + name.replace(".", "/")) as file:
            return file.read().strip()
    except OSError:
        return ""


def families():
    """The address families that this kernel has."""
    try:
        os.stat("/proc/net/if_inet6")
        return (4, 6)
    except OSError:
        return (4,)


def choose(policy, run_dir):
    """The backend for this system, and why, as (backend, why). Raises FirewallError.

    Only the one that is taken is loaded. An accept in a table of ours cannot undo a drop of another firewall, so the
    kind follows whose rules are in force: fw4 lets marked packets in, iptables wants rules of its own kind.
    """
    check_forwarding(policy)  # here, not in install(): lost rules are restored whatever has become of forwarding
    wanted = policy.firewall
    if wanted == "nft":
        return _nft(run_dir), "the configuration says nft"
    if wanted == "ipset":
        return _ipset(run_dir, _tool(run_dir)[0]), "the configuration says ipset"
    from .nft import has_fw4

    if has_fw4():
        return _nft(run_dir), "OpenWrt's firewall (table inet fw4) is in force"
    tool, in_force = _tool(run_dir)
    if in_force:
        return _ipset(run_dir, tool), "rules of %s are in force" % tool
    try:
        return _nft(run_dir), "no other firewall is in force and nft works"
    except FirewallError as no_nft:
        try:
            return _ipset(run_dir, tool), "no nft here (%s)" % no_nft
        except FirewallError as no_ipset:
            raise FirewallError("no firewall can be used: %s; %s" % (no_nft, no_ipset))


def uninstall(run_dir):
    """Take away what either kind has made. Raises FirewallError when neither can be asked."""
    missing = []
    for make in (_nft, lambda directory: _ipset(directory, _tool(directory)[0])):
        try:
            backend = make(run_dir)
        except FirewallError as error:
            missing.append(error)
        else:
            backend.uninstall()
    if len(missing) == 2:
        raise missing[1]


def _nft(run_dir):
    from .nft import Backend

    return Backend(run_dir)


def _ipset(run_dir, tool):
    from .ipset import Backend

    return Backend(run_dir, tool)


def _tool(run_dir):
    from .iptables import find

    return find(run_dir)
