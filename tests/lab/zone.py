"""The firewall a gateway has before Knocklet comes: what it lets in from wan0, as iptables rules or as an nft table.

accept means none at all. Else, towards wan: replies and neighbour discovery get in, the rest is dropped, or rejected
as OpenWrt's fw4 does. The LAN may go anywhere, masqueraded in IPv4. The nft table is written after the manner of fw4,
with the include that admits Knocklet there: connections that carry its mark.
"""

ZONES = ("drop", "reject", "accept")
FIREWALLS = ("ipset", "nft")

_IPTABLES = """*filter
:INPUT DROP
:FORWARD DROP
:OUTPUT ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -i lan0 -j ACCEPT
-A INPUT -i mgmt0 -j ACCEPT
{neighbours}{reject_input}-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i lan0 -j ACCEPT
-A FORWARD -i mgmt0 -j ACCEPT
{reject_forward}COMMIT
{nat}"""

_IPTABLES_REJECT = """-A {chain} -p tcp -j REJECT --reject-with tcp-reset
-A {chain} -j REJECT --reject-with {icmp}-port-unreachable
"""
_IPTABLES_NAT = """*nat
-A POSTROUTING -o wan0 -s 192.168.1.0/24 -j MASQUERADE
COMMIT
"""
_IPTABLES_NEIGHBOURS = "".join(
    f"-A INPUT -p icmpv6 --icmpv6-type neighbour-{kind} -j ACCEPT\n" for kind in ("solicitation", "advertisement")
)

_NFT = """table inet filter {{
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname {{ "lo", "lan0", "mgmt0" }} accept
    iifname "wan0" jump input_wan
  }}
  chain input_wan {{
    ct mark & 0x4b000000 == 0x4b000000 accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
    {verdict}
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct mark & 0x4b000000 == 0x4b000000 accept
    ct state established,related accept
    iifname {{ "lan0", "mgmt0" }} accept
    {verdict}
  }}
  chain srcnat {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "wan0" ip saddr 192.168.1.0/24 masquerade
  }}
}}
"""
_NFT_REJECT = "meta l4proto tcp reject with tcp reset\n    reject with icmpx type port-unreachable"


def commands(zone, firewall):
    """[(command, its input)] that put the zone into force."""
    if zone == "accept":
        return []
    if firewall == "nft":
        return [(["nft", "-f", "-"], _NFT.format(verdict="drop" if zone == "drop" else _NFT_REJECT))]
    return [(["iptables-restore"], _iptables(zone, 4)), (["ip6tables-restore"], _iptables(zone, 6))]


def _iptables(zone, family):
    icmp = "icmp" if family == 4 else "icmp6"
    reject = {
        f"reject_{chain.lower()}": _IPTABLES_REJECT.format(chain=chain, icmp=icmp) if zone == "reject" else ""
        for chain in ("INPUT", "FORWARD")
    }
    return _IPTABLES.format(
        nat=_IPTABLES_NAT if family == 4 else "", neighbours=_IPTABLES_NEIGHBOURS if family == 6 else "", **reject
    )
