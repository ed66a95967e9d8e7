"""The network of the firewall tests. Everything is gone afterwards.

    wan  (client .2, attacker .3)                 lan  camera .50  heat .60            aside  .70 (knows no way back)
      198.51.100.0/24  2001:db8:1::/64              192.168.1.0/24  fd00:1::/64          192.168.2.0/24
            \\                                              |                                  /
             wan0 .1  ---------------------------  gateway  lan0 .1  ------------------  aside0 .1
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
MICROPYTHON = {bits: ROOT / "build" / "micropython" / bits / "micropython" for bits in ("64", "32")}

TOOLS = os.environ.get("FIREWALL_TOOLS")  # a folder with nft, iptables-restore ... of another version to be tried

CLIENT, ATTACKER, GATEWAY, CAMERA, HEAT, ASIDE = (
    "198.51.100.2", "198.51.100.3", "198.51.100.1", "192.168.1.50", "192.168.1.60", "192.168.2.70",
)  # fmt: skip
CLIENT6, ATTACKER6, GATEWAY6, CAMERA6 = "2001:db8:1::2", "2001:db8:1::3", "2001:db8:1::1", "fd00:1::50"
SOURCES = {4: (CLIENT, ATTACKER, GATEWAY), 6: (CLIENT6, ATTACKER6, GATEWAY6)}

WAN = (CLIENT + "/24", ATTACKER + "/24", CLIENT6 + "/64", ATTACKER6 + "/64")
LAN = (CAMERA + "/24", HEAT + "/24", CAMERA6 + "/64")
LINKS = (
    # namespace, its addresses, its interface, the gateway's interface, the gateway's addresses, has a way back
    ("wan", WAN, "eth0", "wan0", (GATEWAY + "/24", GATEWAY6 + "/64"), True),
    ("lan", LAN, "eth0", "lan0", ("192.168.1.1/24", "fd00:1::1/64"), True),
    ("aside", (ASIDE + "/24",), "eth0", "aside0", ("192.168.2.1/24",), False),
)


class Refused(Exception):
    """What the driver or a host answered instead of doing it."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Remote:
    """A process that takes orders as JSON lines."""

    def __init__(self, command):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __getattr__(self, name):
        def order(**arguments):
            self.start(name, **arguments)
            return self.result()

        return order

    def start(self, order, /, **arguments):
        """Give an order; result() waits for its end."""
        self._process.stdin.write(json.dumps({"do": order, **arguments}) + "\n")
        self._process.stdin.flush()

    def result(self):
        line = self._process.stdout.readline()
        assert line, "the process ended"
        done = json.loads(line)
        if "error" in done:
            raise Refused(done.get("kind", "Error"), done["error"])
        return done["ok"]

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class Net:
    def __init__(self):
        self.prefix = f"kfw{os.getpid()}-"
        self.hosts = {}
        self.run_dir = tempfile.mkdtemp(prefix=self.prefix)

    def run(self, command, namespace="gateway", check=True):
        """A shell command in a namespace; its output."""
        command = f"PATH={TOOLS}:$PATH; {command}" if TOOLS else command
        done = subprocess.run(
            ["ip", "netns", "exec", self.prefix + namespace, "sh", "-c", command], capture_output=True, text=True
        )
        assert done.returncode == 0 or not check, command + ": " + done.stderr
        return done.stdout

    def make(self):
        for name in ["gateway"] + [link[0] for link in LINKS]:
            subprocess.run(["ip", "netns", "add", self.prefix + name], check=True)
            self.run("ip link set lo up; sysctl -qw net.ipv6.conf.default.accept_dad=0", name)
        for name, addresses, inner, outer, gateway_addresses, way_back in LINKS:
            self.run(f"ip link add {inner} type veth peer name {outer} netns {self.prefix}gateway", name)
            self._set(name, inner, addresses)
            self._set("gateway", outer, gateway_addresses)
            if way_back:
                self.run(f"ip route add default via {gateway_addresses[0].split('/')[0]}", name)
                self.run(f"ip -6 route add default via {gateway_addresses[1].split('/')[0]}", name)
        self.forward(True)
        self.run("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")  # every answer is compared
        for name in ("gateway", "wan", "lan", "aside"):
            command = ["ip", "netns", "exec", self.prefix + name, sys.executable, "-u", str(HERE / "firewall_host.py")]
            self.hosts[name] = Remote(command)
        for protocol in ("tcp", "udp"):
            for address in ("0.0.0.0", "::"):
                for port in (22, 222, 8888) if protocol == "tcp" else (5182, 5353):
                    self.hosts["gateway"].listen(protocol=protocol, address=address, port=port)
                for port in (80, 443, 81):
                    self.hosts["lan"].listen(protocol=protocol, address=address, port=port)
        self.hosts["aside"].listen(protocol="tcp", address="0.0.0.0", port=80)
        self.hosts["wan"].listen(protocol="tcp", address="0.0.0.0", port=9)
        self.hosts["wan"].listen(protocol="udp", address="0.0.0.0", port=9)
        for client, _, gateway in SOURCES.values():  # links and IPv6 addresses take a moment to work
            for _ in range(40):
                if self.hosts["wan"].probe(protocol="tcp", source=client, to=gateway, port=222) == "open":
                    break
            else:
                raise TimeoutError(f"no way from {client} to {gateway}")

    def _set(self, namespace, interface, addresses):
        for address in addresses:
            self.run(f"ip addr add {address} dev {interface} {'nodad' if ':' in address else ''}", namespace)
        self.run(f"ip link set {interface} up", namespace)

    def forward(self, on):
        self.run(f"sysctl -qw net.ipv4.ip_forward={int(on)} net.ipv6.conf.all.forwarding={int(on)}")

    def driver(self, bits="64", wrapper=""):
        command = [MICROPYTHON[bits], HERE / "firewall_driver.py", ROOT / "firmware", self.run_dir]
        driver = Remote(["ip", "netns", "exec", self.prefix + "gateway", *wrapper.split(), *[str(word) for word in command]])
        if TOOLS:
            driver.path(path=TOOLS + ":$PATH")
        return driver

    def clean(self):
        """No rules, no sets, no connections: as just booted."""
        self.forward(True)
        for tool, names in (("iptables-legacy", "ip_tables_names"), ("ip6tables-legacy", "ip6_tables_names")):
            self.run(
                f"for t in $(cat /proc/net/{names}); do {tool} -t $t -F; {tool} -t $t -X; done;"
                f"if grep -q filter /proc/net/{names}; then {tool} -P INPUT ACCEPT; {tool} -P FORWARD ACCEPT; fi",
                check=False,
            )
        self.run("nft flush ruleset; ipset destroy", check=False)

    def remove(self):
        for host in self.hosts.values():
            host.kill()
        for name in ["gateway"] + [link[0] for link in LINKS]:
            subprocess.run(["ip", "netns", "del", self.prefix + name], capture_output=True)
        subprocess.run(["rm", "-rf", self.run_dir])


def remove_leftovers():
    """Namespaces of a run that was killed: their names tell its process number."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    for name in re.findall(r"^kfw\d+-\w+", listed, re.MULTILINE):
        if not pathlib.Path("/proc", name[3 : name.index("-")]).exists():
            subprocess.run(["ip", "netns", "del", name])


@contextlib.contextmanager
def made():
    remove_leftovers()
    net = Net()
    try:
        net.make()
        yield net
    finally:
        net.remove()
