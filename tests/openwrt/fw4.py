"""The rules that OpenWrt's fw4 makes for a common router, in its order, and what its commands do with them.

Zones lan (may do all) and wan (replies, ping, neighbour discovery; the rest is rejected or dropped; masqueraded), limit for SYN
packets, includes of packages where fw4 puts them. Written after its templates (root/usr/share/firewall4/templates/ruleset.uc
of firewall4, 2022 to 2025).

Kernels of test machines have no flow tables: a counter stands where fw4 has `flow offload @ft`. What it counts, a router could
offload, and no rule would see the rest of that connection.
"""

import json

from openwrt.router import BOARD

_INCLUDES = BOARD / "files" / "usr" / "share" / "nftables.d"
_OFFLOAD = "flow offload @ft"
_LAN = '{ "lan0", "mgmt0" }'
_WAN = '"wan0"'
_VERDICTS = {"drop": "drop", "reject": "jump handle_reject"}
_ND = "{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert }"

_RULES = """
table inet fw4
flush table inet fw4
{ruleset_pre}
table inet fw4 {{
  {table_pre}
  chain input {{
    type filter hook input priority filter; policy drop;
    iif "lo" accept
    {pre_input}
    ct state vmap {{ established : accept, related : accept }}
    tcp flags & (fin | syn | rst | ack) == syn jump syn_flood
    iifname {lan} jump input_lan
    iifname {wan} jump input_wan
    jump handle_reject
    {post_input}
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    {offload}
    {pre_forward}
    ct state vmap {{ established : accept, related : accept }}
    iifname {lan} jump forward_lan
    iifname {wan} jump forward_wan
    {post_forward}
    {rest}
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    oif "lo" accept
    ct state vmap {{ established : accept, related : accept }}
    oifname {wan} jump accept_to_wan
  }}
  chain handle_reject {{
    meta l4proto tcp reject with tcp reset
    reject with icmpx type port-unreachable
  }}
  chain syn_flood {{
    limit rate 25/second burst 50 packets return
    drop
  }}
  chain input_lan {{
    accept
  }}
  chain forward_lan {{
    jump accept_to_wan
    oifname {lan} accept
  }}
  chain input_wan {{
    {pre_input_wan}
    meta nfproto ipv4 udp dport 68 accept
    icmp type echo-request accept
    icmpv6 type {nd} accept
    {verdict}
  }}
  chain forward_wan {{
    icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded }} accept
    oifname {wan} {verdict}
  }}
  chain accept_to_wan {{
    meta nfproto ipv4 oifname {wan} ct state invalid drop
    oifname {wan} accept
  }}
  chain srcnat {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname {wan} jump srcnat_wan
  }}
  chain srcnat_wan {{
    meta nfproto ipv4 masquerade
  }}
  {table_post}
}}
{ruleset_post}
"""


class Fw4:
    """zone: of wan. offload: as `flow_offloading`. includes: as `auto_includes`."""

    def __init__(self, gateway, zone, offload=False, includes=True):
        self._gateway = gateway
        self._zone = zone
        self._offload = offload
        self._auto_includes = includes

    def _included(self, place):
        """What packages put there."""
        paths = sorted((_INCLUDES / place).glob("*.nft")) if self._auto_includes else []
        return "\n".join(f'include "{path}"' for path in paths)

    def _rules(self):
        places = ("ruleset-pre", "ruleset-post", "table-pre", "table-post")
        includes = {place.replace("-", "_"): self._included(place) for place in places}
        for when in ("pre", "post"):
            for chain in ("input", "forward", "input_wan"):
                includes[f"{when}_{chain}"] = self._included(f"chain-{when}/{chain}")
        return _RULES.format(
            lan=_LAN,
            wan=_WAN,
            nd=_ND,
            verdict=_VERDICTS[self._zone],
            rest=_VERDICTS[self._zone],
            offload=f'meta l4proto {{ tcp, udp }} counter comment "{_OFFLOAD}"' if self._offload else "",
            **includes,
        )

    def start(self):
        """fw4 start, and fw4 reload: one transaction, in the table that is there or not."""
        self._gateway.run(["nft", "-f", "-"], input=self._rules())

    reload = start

    def stop(self):
        """fw4 stop."""
        self._gateway.run(["nft", "delete", "table", "inet", "fw4"])

    def check(self):
        """fw4 check: LabError where nft would not take the rules. fw4 restart does it first."""
        self._gateway.run(["nft", "-c", "-f", "-"], input=self._rules())

    def restart(self):
        """fw4 restart."""
        self.check()
        self.stop()
        self.start()

    def flush(self):
        """/etc/init.d/firewall stop: all tables, whoever they belong to."""
        for line in self._gateway.run(["nft", "list", "tables"]).stdout.splitlines():
            self._gateway.run(["nft", "delete", *line.split()], check=False)  # one may have come back meanwhile

    def rules_of(self, chain):
        """The rules of a chain in order, as nft tells of them."""
        listed = self._gateway.run(["nft", "-j", "list", "chain", "inet", "fw4", chain]).stdout
        return [item["rule"] for item in json.loads(listed)["nftables"] if "rule" in item]

    def offloadable(self):
        """How many packets came to where connections are offloaded."""
        rules = [rule for rule in self.rules_of("forward") if rule.get("comment") == _OFFLOAD]
        return rules[0]["expr"][-1]["counter"]["packets"]
