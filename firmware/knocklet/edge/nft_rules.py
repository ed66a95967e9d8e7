"""The nft rules of a policy, as text for nft -f: one transaction. Pure: no kernel, no files.

    prerouting                marks granted packets, so that fw4's include or any other firewall can let them in
    nat_prerouting            leads them on to a device
    input, forward            lets granted ones pass *us* and closes for all others
    nat_postrouting           masquerade
    output                    a zone that drops tells strangers nothing

A packet goes through another table's chains too: an accept here does not undo a drop there, a drop here is final.
Packets of the reply direction never get in by being "established", see iptables_rules.py.
"""

from . import protected
from .nft_netlink import TABLE

_MARK = "0x%x" % protected.GRANTED
_SET_MARK = "meta mark set meta mark or " + _MARK
_ORIGINAL = "ct state established ct direction original "
_SHOOK_HANDS = "ct status assured "  # else the reset of a host in whose name somebody sent a SYN would renew its entry
_BASE = (  # numbers as linux/netfilter_ipv4.h has them: mangle -150, dstnat -100, filter 0, srcnat 100; we come first
    ("prerouting", "filter", "prerouting", -150),
    ("input", "filter", "input", -10),
    ("forward", "filter", "forward", -10),
)
_NAT_BASE = (
    ("nat_prerouting", "nat", "prerouting", -110),
    ("nat_postrouting", "nat", "postrouting", 90),
)


def text(policy, old_chains=(), old_sets=()):
    """The whole ruleset. `old_chains`, `old_sets`: names in the table now; what is not wanted any more is deleted."""
    chains = _chains(policy)
    sets = protected.all_sets(policy)
    lines = ["add table inet " + TABLE, "flush table inet " + TABLE]
    for name, family in sets:  # in the table's braces, they make nft 0.9.8 crash
        lines.append("add set inet %s %s { type ipv%d_addr; flags dynamic,timeout; timeout %ds; size %d; }"
                     % (TABLE, name, family, protected.DEFAULT_S, protected.SET_LIMIT))  # fmt: skip
    lines.append("table inet %s {" % TABLE)
    for name in sorted(chains):
        lines += ["  chain %s {" % name] + ["    " + rule for rule in chains[name]] + ["  }"]
    lines.append("}")
    lines += ["delete chain inet %s %s" % (TABLE, name) for name in old_chains if name not in chains]
    wanted = [name for name, _ in sets]
    lines += ["delete set inet %s %s" % (TABLE, name) for name in old_sets if name not in wanted]
    return "\n".join(lines) + "\n"


def how_many(text):
    """How many rules there are then: the innermost lines, but those that say what a chain is."""
    return text.count("\n    ") - text.count("\n    type ")


def _chains(policy):
    """Chain name -> its rules."""
    chains = {}
    nat = any(service.to is not None for service in policy.services)
    for name, kind, hook, priority in _BASE + (_NAT_BASE if nat else ()):
        chains[name] = ["type %s hook %s priority %d; policy accept;" % (kind, hook, priority)]
    doors = protected.doors(policy)
    for service in doors:
        opens = [(service, family) for family in service.families]
        if service.to is not None:
            opens = [(service, 4)]  # marked, then led on: what still comes to the door itself stays out
        chains["mark_%d" % service.index] = ["fib daddr type != local return"] + _mark(opens)
        chains["door_%d" % service.index] = _door(policy, opens if service.to is None else [], service)
    if doors:
        ports = "meta l4proto . th dport vmap { %s }"
        by_port = [(service, "%s . %d" % (protected.protocol_name(service), service.port)) for service in doors]
        for base, kind in (("prerouting", "mark"), ("input", "door")):
            jumps = ", ".join(["%s : jump %s_%d" % (key, kind, service.index) for service, key in by_port])
            chains[base].append(_from_ours(policy) + ports % jumps)
    for family in (4, 6):
        _forward(policy, family, chains)
    if nat:
        _nat(policy, chains)
    if policy.zone == "drop":
        chains["output"] = ["type filter hook output priority -10; policy accept;"] + _unasked(policy)
    return chains


def _unasked(policy):
    """The kernel answers some packets before any chain could drop them (protected.UNASKED); those answers stay here."""
    lines = ["ct status confirmed accept"]
    for family, name in ((4, "icmp"), (6, "icmpv6")):
        types = ", ".join([str(kind) for kind in protected.UNASKED[family]])
        lines.append("oifname %s %s type { %s } drop" % (_interfaces(policy), name, types))
    return lines


def _from_ours(policy):
    return "iifname %s " % _interfaces(policy)


def _interfaces(policy):
    names = ['"%s"' % name for name in policy.interfaces]
    return names[0] if len(names) == 1 else "{ %s }" % ", ".join(names)


def _forward(policy, family, chains):
    """The devices behind the gateway: one chain each."""
    devices = protected.devices(policy, family)
    if not devices:
        return
    jumps = {"mark": [], "door": []}
    for number, (address, _, port, services) in enumerate(devices):
        granted = [(service, family) for service in services]
        place = "%s . %s . %d" % (address, protected.protocol_name(services[0]), port)
        kinds = {"door": _door(policy, granted, services[0])}
        if family == 6:  # nothing led it here that could have marked it
            kinds["mark"] = _mark(granted)
        for kind in kinds:
            name = "%s_ip%d_%d" % (kind, family, number)
            chains[name] = kinds[kind]
            jumps[kind].append("%s : jump %s" % (place, name))
    for base, kind in (("prerouting", "mark"), ("forward", "door")):
        if jumps[kind]:
            chains[base].append("%s%s daddr . meta l4proto . th dport vmap { %s }"
                                % (_from_ours(policy), "ip" if family == 4 else "ip6", ", ".join(jumps[kind])))  # fmt: skip


def _mark(granted):
    """Nobody else's mark counts on a packet to a protected port; a granted one gets ours. granted: [(service, family)]."""
    lines = ["meta mark set meta mark and 0x%x" % protected.OTHERS]
    if any(service.one_shot for service, _ in granted):
        lines.append("ct mark and %s == %s %s" % (_MARK, _MARK, _SET_MARK))
    return lines + [_in_sets(service, family) + _SET_MARK for service, family in granted]


def _door(policy, granted, service):
    """The rules for one place: who gets in, what may finish, and nobody else. granted: [(service, family)]."""
    lines = []
    if any(one.one_shot for one, _ in granted):
        # The mark holds the connection open while its first packets are still new, lost ones sent again included.
        lines.append("ct mark and %s == %s accept" % (_MARK, _MARK))
    for one, family in granted:
        source = "ip saddr" if family == 4 else "ip6 saddr"
        name = protected.set_names(one, family)[0]
        if one.one_shot:
            lines.append("ct state new %sct mark set ct mark or %s delete @%s { %s } accept"
                         % (_in_sets(one, family), _MARK, name, source))  # fmt: skip
        else:
            if one.idle_s:
                going = _ORIGINAL + (_SHOOK_HANDS if one.protocol == protected.TCP else "")
                lines.append("%s%supdate @%s { %s timeout %ds }" % (going, _in_sets(one, family), name, source, one.idle_s))
            lines.append(_in_sets(one, family) + "accept")
    if not service.cut:
        lines.append(_ORIGINAL + "accept")
    return lines + [_closed(policy, service)]


def _in_sets(service, family):
    source = "ip saddr" if family == 4 else "ip6 saddr"
    return "".join(["%s @%s " % (source, name) for name in protected.set_names(service, family)])


def _closed(policy, service):
    """The answer of a closed port of this zone: none, or the kernel's own for a port that nobody listens on."""
    if policy.zone == "drop":
        return "drop"
    return "reject with tcp reset" if service.protocol == protected.TCP else "reject with icmpx type port-unreachable"


def _nat(policy, chains):
    jumps = []
    for address, _, port, services in protected.devices(policy, 4):
        for service in services:
            name = protected.protocol_name(service)
            jumps.append("%s . %d : jump dnat_%d" % (name, service.port, service.index))
            chains["dnat_%d" % service.index] = [
                "%s%s dport %d dnat ip to %s:%d" % (_in_sets(service, 4), name, service.port, address, port)
            ]
            if service.masquerade is True:
                chains["nat_postrouting"].append("ip daddr %s %s dport %d ct status dnat ct original proto-dst %d masquerade"
                                                 % (address, name, port, service.port))  # fmt: skip
    chains["nat_prerouting"].append(
        _from_ours(policy) + "fib daddr type local meta l4proto . th dport vmap { %s }" % ", ".join(jumps)
    )
