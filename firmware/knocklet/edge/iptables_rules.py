"""The iptables rules of a policy, as text for iptables-restore --noflush. Pure: no kernel, no files.

    INPUT       -> KNOCKLET_IN  -> (from our interfaces) KNOCKLET_IN_WAN    the doors on the gateway
    FORWARD     -> KNOCKLET_FWD -> (from our interfaces) KNOCKLET_FWD_WAN   the devices behind it; replies of theirs
    OUTPUT      -> KNOCKLET_OUT -> (to our interfaces) KNOCKLET_OUT_WAN     a zone that drops tells strangers nothing
    PREROUTING  -> KNOCKLET_NAT -> (to the gateway's own addresses) KNOCKLET_DNAT
    POSTROUTING -> KNOCKLET_MASQ

Packets of the reply direction never get in by being "established": a server that speaks first, after its client was cut
off, would otherwise open the connection again (conntrack picks up running connections).
"""

from . import protected

_MARK = "0x%x/0x%x" % (protected.USED, protected.USED)
_JUMPS = {
    "filter": (("INPUT", "KNOCKLET_IN"), ("FORWARD", "KNOCKLET_FWD"), ("OUTPUT", "KNOCKLET_OUT")),
    "nat": (("PREROUTING", "KNOCKLET_NAT"), ("POSTROUTING", "KNOCKLET_MASQ")),
}
_ORIGINAL = " -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL"
_SHOOK_HANDS = " --ctstatus ASSURED"  # else the reset of a host in whose name somebody sent a SYN would renew its entry


def restore_text(policy, family, present):
    """Rules of one family (4 or 6) that replace what is there of ours. `present`: what iptables-save tells (parse_save)."""
    lines = []
    tables = _rules(policy, family)
    for table in ("filter", "nat"):  # closed first, then led on
        if tables.get(table) or _chains(present, table):
            lines += _table(table, tables[table], present)
    return "\n".join(lines) + "\n"


def how_many(policy, family):
    """How many rules of ours there are then, jumps included."""
    return sum([len(rules) + len(_jumps(table, rules)) for table, rules in _rules(policy, family).items()])


def _rules(policy, family):
    return {"filter": _filter_rules(policy, family), "nat": _nat_rules(policy) if family == 4 else []}


def removal_text(present):
    """Takes away all that is ours, or "" when nothing is."""
    lines = []
    for table in sorted(_JUMPS):
        if _chains(present, table):
            lines += _table(table, [], present)
    return "\n".join(lines) + "\n" if lines else ""


def parse_save(lines):
    """What matters of the lines that iptables-save prints: table -> [":CHAIN POLICY" or "-A CHAIN ..."].

    Of others' rules the first of each chain, however many there are.
    """
    tables = {}
    found = []
    last = ""
    for line in lines:
        words = line.split(" ", 2)
        if line[:1] == "*":
            found = tables.setdefault(line[1:].strip(), [])
            last = ""
        elif line[:1] == ":":
            found.append(" ".join(words[:2]))
        elif words[0] == "-A":
            if words[1] != last or "KNOCKLET_" in line:
                found.append(line.strip())
            last = words[1]
    return tables


def ours(present):
    """All rules of ours that are there, as iptables-save writes them."""
    return [line for table in sorted(_JUMPS) for line in present.get(table, ()) if line[:3] == "-A " and "KNOCKLET_" in line]


def in_force(present):
    """Does somebody else's rule or policy decide about packets, or do we already?"""
    for lines in present.values():
        for line in lines:
            if line[:3] == "-A " or line[-5:] == " DROP" or line[-7:] == " REJECT":
                return True
    return False


def _chains(present, table):
    """The chains of ours in a table."""
    return [line[1:].split(" ")[0] for line in present.get(table, []) if line[:10] == ":KNOCKLET_"]


def _jumps(table, rules):
    """The jumps to those of our chains that have rules: an empty one still costs every packet that comes by."""
    filled = {rule.split(" ")[1] for rule in rules}
    return [jump for jump in _JUMPS[table] if jump[1] in filled]


def _table(table, rules, present):
    """The lines of one table: our chains emptied and filled again, or taken away, and the jumps to them as the first rules."""
    chains = []
    for rule in rules:
        chain = rule.split(" ")[1]
        if chain not in chains:
            chains.append(chain)
    stale = [chain for chain in _chains(present, table) if chain not in chains]
    lines = ["*" + table]
    lines += [":%s - [0:0]" % chain for chain in chains + stale]
    wanted = _jumps(table, rules)
    for built_in, chain in _JUMPS[table]:
        jump = "%s -j %s" % (built_in, chain)
        there = [line for line in present.get(table, []) if line[: 4 + len(built_in)] == "-A %s " % built_in]
        keep = (built_in, chain) in wanted
        if keep and there[:1] == ["-A " + jump] and there.count("-A " + jump) == 1:
            continue
        lines += ["-D " + jump] * there.count("-A " + jump)
        if keep:
            lines.append("-I %s 1 -j %s" % (built_in, chain))
    return lines + rules + ["-X " + chain for chain in stale] + ["COMMIT"]


def _filter_rules(policy, family):
    lines = ["-A KNOCKLET_IN -i %s -j KNOCKLET_IN_WAN" % name for name in policy.interfaces]
    for service in protected.doors(policy):
        match = "-A KNOCKLET_IN_WAN -p %s --dport %d" % (protected.protocol_name(service), service.port)
        lines += _door(policy, family, match, [service], service.to is None and family in service.families)
    for address, _, port, services in protected.devices(policy, family):
        name = protected.protocol_name(services[0])
        for service in services:
            origin = " --ctorigdstport %d" % service.port if family == 4 else ""
            lines.append("-A KNOCKLET_FWD -s %s -p %s --sport %d -m conntrack --ctstate ESTABLISHED --ctdir REPLY%s -j ACCEPT"
                         % (address, name, port, origin))  # fmt: skip
        lines += _door(policy, family, "-A KNOCKLET_FWD_WAN -d %s -p %s --dport %d" % (address, name, port), services, True)
    if protected.devices(policy, family):
        lines += ["-A KNOCKLET_FWD -i %s -j KNOCKLET_FWD_WAN" % name for name in policy.interfaces]
    return lines + (_unasked(policy, family) if policy.zone == "drop" else [])


def _unasked(policy, family):
    """The kernel answers some packets before any chain could drop them (protected.UNASKED); those answers stay here."""
    match = "-A KNOCKLET_OUT_WAN -p %s " % ("icmp -m icmp --icmp-type" if family == 4 else "ipv6-icmp -m icmp6 --icmpv6-type")
    lines = ["-A KNOCKLET_OUT -o %s -j KNOCKLET_OUT_WAN" % name for name in policy.interfaces]
    lines.append("-A KNOCKLET_OUT_WAN -m conntrack --ctstatus CONFIRMED -j RETURN")
    return lines + [match + "%d -j DROP" % kind for kind in protected.UNASKED[family]]


def _door(policy, family, match, services, opens):
    """The rules for one place: who gets in, what may finish, and nobody else."""
    lines = []
    for service in services if opens else []:
        lines += _grant(family, match, service)
    if not services[0].cut:
        lines.append(match + _ORIGINAL + " -j ACCEPT")
    return lines + [match + _closed(policy, family, services[0])]


def _grant(family, match, service):
    granted = _in_sets(service, family)
    name = protected.set_names(service, family)[0]
    if service.one_shot:
        # The mark holds the connection open while its first packets are still new, lost ones sent again included.
        marked = match + " -m connmark --mark " + _MARK
        return [
            marked + " -j ACCEPT",
            match + " -m conntrack --ctstate NEW" + granted + " -j CONNMARK --set-xmark " + _MARK,
            marked + " -j SET --del-set %s src" % name,
            marked + " -j ACCEPT",
        ]
    lines = [match + granted + " -j ACCEPT"]
    if service.idle_s:
        going = _ORIGINAL + (_SHOOK_HANDS if service.protocol == protected.TCP else "")
        lines.insert(0, match + going + granted + " -j SET --add-set %s src --exist --timeout %d" % (name, service.idle_s))
    return lines


def _in_sets(service, family):
    return "".join([" -m set --match-set %s src" % name for name in protected.set_names(service, family)])


def _closed(policy, family, service):
    """The answer of a closed port of this zone: none, or the kernel's own for a port that nobody listens on."""
    if policy.zone == "drop":
        return " -j DROP"
    if service.protocol == protected.TCP:
        return " -j REJECT --reject-with tcp-reset"
    return " -j REJECT --reject-with icmp%s-port-unreachable" % ("" if family == 4 else "6")


def _nat_rules(policy):
    lines = []
    for address, _, port, services in protected.devices(policy, 4):
        for service in services:
            match = " -p %s" % protected.protocol_name(service)
            lines.append("-A KNOCKLET_DNAT%s --dport %d%s -j DNAT --to-destination %s:%d"
                         % (match, service.port, _in_sets(service, 4), address, port))  # fmt: skip
            if service.masquerade is True:
                lines.append("-A KNOCKLET_MASQ -d %s%s --dport %d -m conntrack --ctstate DNAT --ctorigdstport %d -j MASQUERADE"
                             % (address, match, port, service.port))  # fmt: skip
    if lines:
        local = " -m addrtype --dst-type LOCAL -j KNOCKLET_DNAT"
        lines += ["-A KNOCKLET_NAT -i %s%s" % (name, local) for name in policy.interfaces]
    return lines
