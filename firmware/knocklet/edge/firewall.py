"""The firewall: which of the two backends fits this system, and how their troubles are told.

A backend has four verbs and a way out (ipset.py and nft.py):
    install(policy)   rules and sets, as one step; entries that still fit stay
    add(service, family, address, left_s, max_left_s=0, known=False)    one entry, acknowledged by the kernel
    remove(service, family, address)
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


_SAFE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./"
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH "
_NOT_FOUND = 127


def run(run_dir, command, text=None):
    """Run `command` (fixed words only), with `text` as its input. Returns (exit status, output, first line of error).

    What goes in and comes out lies in files in `run_dir`, which is root's alone.
    """
    if run_dir[:1] != "/" or any(c not in _SAFE for c in run_dir):
        raise FirewallError("run directory %s: allowed: letters, digits, and _ - . / after a first /" % run_dir)
    paths = [run_dir + "/firewall." + name for name in ("in", "out", "err")]
    try:
        with open(paths[0], "w") as file:
            file.write(text or "")
        status = os.system(_PATH + command + " <%s >%s 2>%s" % tuple(paths))
        return status >> 8 or status & 0x7F, _read(paths[1]), _first_line(_read(paths[2]))
    except OSError as error:
        raise FirewallError("%s: cannot be run with files in %s (error %d)" % (command, run_dir, error.errno))


def _read(path):
    with open(path) as file:
        return file.read()


def _first_line(output):
    """The line of a tool's error output that says what is wrong."""
    lines = [line.strip() for line in output.split("\n") if line.strip() and line.strip()[0] != "#"]
    return lines[0] if lines else "no word why"


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
        return _read("/proc/sys/" + name.replace(".", "/")).strip()
    except OSError:
        return ""


def has_ipv6():
    try:
        os.stat("/proc/net/if_inet6")
        return True
    except OSError:
        return False


def choose(policy, run_dir):
    """The backend for this system, and why, as (backend, why). Raises FirewallError.

    Only the one that is taken is loaded. An accept in a table of ours cannot undo a drop of another firewall, so the
    kind follows whose rules are in force: fw4 lets marked packets in, iptables wants rules of its own kind.
    """
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


def _nft(run_dir):
    from .nft import Backend

    return Backend(run_dir)


def _ipset(run_dir, tool):
    from .ipset import Backend

    return Backend(run_dir, tool)


def _tool(run_dir):
    from .iptables import find

    return find(run_dir)
