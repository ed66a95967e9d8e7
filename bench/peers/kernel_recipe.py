"""Knocking with kernel rules alone, three nft sets: the speed limit. No process, no log, and an ascending sweep opens it."""

_STEPS = (6100, 6200, 6300)
_RULES = """
table inet kernel_recipe {{
  set step1 {{ type ipv4_addr; flags dynamic,timeout; size 65536; timeout 10s; }}
  set step2 {{ type ipv4_addr; flags dynamic,timeout; size 65536; timeout 10s; }}
  set granted {{ type ipv4_addr; flags dynamic,timeout; size 65536; timeout 30s; }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname "wan0" tcp flags syn tcp dport {2} ip saddr @step2 add @granted {{ ip saddr }} drop
    iifname "wan0" tcp flags syn tcp dport {1} ip saddr @step1 add @step2 {{ ip saddr }} drop
    iifname "wan0" tcp flags syn tcp dport {0} add @step1 {{ ip saddr }} drop
    iifname "wan0" tcp dport {door} ip saddr != @granted drop
  }}
}}
"""


class KernelRecipe:
    NAME = "kernel rules"
    DOOR = 6022
    GAP_S = 0.005
    pid = None

    def __init__(self, place):
        self.place = place

    def start(self):
        self.place.door(self.DOOR)
        self.place.gateway.run(["nft", "-f", "-"], input=_RULES.format(*_STEPS, door=self.DOOR))
        # The zone drops what it does not know: it is the recipe's own table that has to keep this door closed.
        for rule in self._zone_lets_in():
            self.place.gateway.run(rule)

    def _zone_lets_in(self):
        if self.place.lab.firewall == "ipset":
            return [["iptables", "-A", "INPUT", "-i", "wan0", "-p", "tcp", "--dport", self.DOOR, "-j", "ACCEPT"]]
        return [["nft", "insert", "rule", "inet", "filter", "input_wan", "tcp", "dport", self.DOOR, "accept"]]

    def packets(self, _source):
        return [(port, None) for port in _STEPS]

    def end(self, _source):
        """The entry ends by itself; the next sample has another address."""
