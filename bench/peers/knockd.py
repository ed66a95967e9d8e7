"""Debian's knockd at default settings. Its command is the quickest there is: one ipset entry for a rule that stands."""

import subprocess

_STEPS = (7100, 7200, 7300)
_CONFIG = """[options]

[door]
\tsequence = {}
\tseq_timeout = 10
\ttcpflags = syn
\tstart_command = ipset -exist add bench_knockd %IP%
"""


class Knockd:
    NAME = "knockd"
    DOOR = 7022
    GAP_S = 0.005

    def __init__(self, place):
        self.place = place
        self.first_step = _STEPS[0]
        self.pid = None

    def start(self):
        gateway, path = self.place.gateway, self.place.directory / "knockd.conf"
        self.place.door(self.DOOR)
        gateway.run(["ipset", "create", "bench_knockd", "hash:ip", "timeout", "30"])
        rule = "-i wan0 -p tcp --dport {} -m set --match-set bench_knockd src -j ACCEPT".format(self.DOOR)
        gateway.run(["iptables", "-A", "INPUT", *rule.split()])
        path.write_text(_CONFIG.format(",".join(map(str, _STEPS))))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.pid = gateway.popen(["knockd", "-i", "wan0", "-c", path], **quiet).pid

    def packets(self, _source):
        return [(port, None) for port in _STEPS]

    def end(self, _source):
        """Its entry ends by itself; the next sample has another address."""
