"""The nft rules of a policy, as text for nft -f: one transaction. Pure: no kernel, no files.

    nat_prerouting            marks granted connections, so that fw4's include or any other firewall can let them in, and
                              leads them on to a device; the kernel asks it for the first packet of a connection only
    input, forward            lets granted ones pass *us* and closes for all others
    nat_postrouting           masquerade
    output                    a zone that drops tells strangers nothing

A packet goes through another table's chains too: an accept here does not undo a drop there, a drop here is final.
Packets of the reply direction never get in by being "established", see iptables_rules.py.
Nothing here looks at every packet that a router forwards, unless there are devices behind it.
"""

from ..wire.addresses import format_address
from . import protected
from .nft_netlink import TABLE

_GRANTED = "ct mark set ct mark or 0x%x " % protected.GRANTED
_USED = "0x%x" % protected.USED
_ORIGINAL = "ct state established ct direction original "
_SHOOK_HANDS = "ct status assured "  # else the reset of a host in whose name somebody sent a SYN would renew its entry
_BASE = (  # numbers as linux/netfilter_ipv4.h has them: dstnat -100, filter 0, srcnat 100; we come first
    ("nat_prerouting", "nat", "prerouting", -110),
    ("input", "filter", "input", -10),
    ("forward", "filter", "forward", -10),
    ("nat_postrouting", "nat", "postrouting", 90),
    ("output", "filter", "output", -10),
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
    chains = {name: [] for name, _, _, _ in _BASE}
    doors = protected.doors(policy)
    jumps = {"nat_prerouting": [], "input": []}
    for service in doors:
        opens = [(service, family) for family in service.families]
        if service.to is not None:
            opens = [(service, 4)]  # led on: what still comes to the door itself stays out
        chains["grant_%d" % service.index] = ["fib daddr type != local return"] + _grants(opens)
        chains["door_%d" % service.index] = _door(policy, opens if service.to is None else [], service)
        for base, kind in (("nat_prerouting", "grant"), ("input", "door")):
            key = (protected.protocol_name(service), service.port, kind, service.index)
            jumps[base].append("%s . %d : jump %s_%d" % key)
    for base in jumps:
        if doors:
            chains[base].append(_from_ours(policy) + "meta l4proto . th dport vmap { %s }" % ", ".join(jumps[base]))
    for family in (4, 6):
        _forward(policy, family, chains)
    if policy.zone == "drop":
        chains["output"] = _unasked(policy)
    for name, kind, hook, priority in _BASE:  # an empty chain still costs every packet that goes through
        if chains[name]:
            chains[name].insert(0, "type %s hook %s priority %d; policy accept;" % (kind, hook, priority))
        else:
            del chains[name]
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
    jumps = {"grant": [], "door": []}
    for number, (address, _, port, services) in enumerate(protected.devices(policy, family)):
        granted = [(service, family) for service in services]
        name = protected.protocol_name(services[0])
        kinds = {"door": _door(policy, granted, services[0])}
        if family == 6:  # nothing led it here
            kinds["grant"] = _grants(granted)
        for kind in kinds:
            chain = "%s_ip%d_%d" % (kind, family, number)
            chains[chain] = kinds[kind]
            jumps[kind].append("%s . %s . %d : jump %s" % (address, name, port, chain))
        for service in services:
            if family == 4 and service.masquerade is True:
                chains["nat_postrouting"].append("ip daddr %s %s dport %d ct status dnat ct original proto-dst %d masquerade"
                                                 % (address, name, port, service.port))  # fmt: skip
    for base, kind in (("nat_prerouting", "grant"), ("forward", "door")):
        if jumps[kind]:
            chains[base].append("%s%s daddr . meta l4proto . th dport vmap { %s }"
                                % (_from_ours(policy), "ip" if family == 4 else "ip6", ", ".join(jumps[kind])))  # fmt: skip


def _grants(granted):
    """Nobody else's mark counts on a connection to a protected port; a granted one gets ours, and is led on to its device.

    granted: [(service, family)].
    """
    lines = ["ct mark set ct mark and 0x%x" % protected.OTHERS]
    for service, family in granted:
        rule = _in_sets(service, family) + _GRANTED
        if family == 4 and service.to is not None:
            rule += "meta l4proto %s dnat ip to %s:%d" % (
                protected.protocol_name(service), format_address(service.to), service.to_port
            )  # fmt: skip
        lines.append(rule)
    return lines


def _door(policy, granted, service):
    """The rules for one place: who gets in, what may finish, and nobody else. granted: [(service, family)]."""
    lines = []
    if any(one.one_shot for one, _ in granted):
        # The mark holds the connection open while its first packets are still new, lost ones sent again included.
        lines.append("ct mark and %s == %s accept" % (_USED, _USED))
    for one, family in granted:
        source = "ip saddr" if family == 4 else "ip6 saddr"
        name = protected.set_names(one, family)[0]
        if one.one_shot:
            lines.append("ct state new %sct mark set ct mark or %s delete @%s { %s } accept"
                         % (_in_sets(one, family), _USED, name, source))  # fmt: skip
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
