"""Links, addresses and routes of the lab, as lab.py draws them."""

import ctypes
import fcntl
import socket
import struct
from pathlib import Path

from .host import Host, run

# name -> IPv4 address, IPv6 address, last byte of the MAC address of its first interface
_HOSTS = {
    "gateway": ("198.51.100.1", "2001:db8:1::1", 0x01),
    "client": ("198.51.100.2", "2001:db8:1::2", 0x02),
    "attacker": ("198.51.100.66", "2001:db8:1::66", 0x66),
    "wan": ("198.51.100.254", "2001:db8:1::fe", 0xFE),
    "lan": ("192.168.1.50", "fd00:1::50", 0x50),
    "mgmt": ("203.0.113.2", "2001:db8:2::2", 0x72),
}
_HEATING = ("192.168.1.60", "fd00:1::60")  # lives with the camera
_GATEWAY_LAN = ("192.168.1.1", "fd00:1::1")
_GATEWAY_MGMT = ("203.0.113.1", "2001:db8:2::1")

# Addresses are ready at once, nobody looks for other routers, and multicast groups are told of within a millisecond.
_IPV6 = {
    "accept_dad": 0,
    "accept_ra": 0,
    "autoconf": 0,
    "router_solicitations": 0,
    "mldv2_unsolicited_report_interval": 1,
}
_ETHTOOL_STXCSUM = 0x17  # linux/ethtool.h
_SIOCETHTOOL = 0x8946  # linux/sockios.h


def hosts(prefix):
    """name -> Host of a lab with this prefix. Nothing is made yet."""
    return {
        name: Host(f"{prefix}-{name}", ip4, ip6, bytes([2, 0, 0, 0, 0, last]))
        for name, (ip4, ip6, last) in _HOSTS.items()
    }


def make(hosts):
    """All namespaces and links, but for wan0: plug_wan() does that."""
    run(["ip", "-batch", "-"], input="".join(f"netns add {host.netns}\n" for host in hosts.values()))
    for host in hosts.values():
        for scope in ("all", "default"):
            host.sysctl(**{f"ipv6__conf__{scope}__{name}": value for name, value in _IPV6.items()})
        host.ip("link set lo up")
    # A bridge passes everything on; one that asks iptables (br_netfilter) drops what is no sound IP packet.
    with hosts["wan"].inside():
        for setting in Path("/proc/sys/net/bridge").glob("bridge-nf-call-*"):
            setting.write_text("0")
    # No listening for who wants which multicast: neighbour discovery would wait for it.
    hosts["wan"].ip(f"link add bridge address {_mac(hosts['wan'])} type bridge mcast_snooping 0", "link set bridge up")
    for name in ("client", "attacker"):
        _link(hosts[name], "eth0", hosts["wan"], name)
        hosts["wan"].ip(f"link set {name} master bridge")
        _address(hosts[name], "eth0", hosts[name].ip4, hosts[name].ip6)
        default_routes(hosts[name], hosts["gateway"].ip4, hosts["gateway"].ip6)
        neighbour(hosts[name], "eth0", hosts["gateway"])
    _address(hosts["wan"], "bridge", hosts["wan"].ip4, hosts["wan"].ip6)
    neighbour(hosts["wan"], "bridge", hosts["gateway"])

    hosts["gateway"].sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1, ipv6__conf__default__forwarding=1)
    for name, interface, addresses in (("lan", "lan0", _GATEWAY_LAN), ("mgmt", "mgmt0", _GATEWAY_MGMT)):
        _link(hosts[name], "eth0", hosts["gateway"], interface)
        _address(hosts[name], "eth0", hosts[name].ip4, hosts[name].ip6)
        _address(hosts["gateway"], interface, *addresses)
        default_routes(hosts[name], *addresses)
    _address(hosts["lan"], "eth0", *_HEATING)


def plug_wan(hosts):
    """Make the gateway's wan0 and the cable to `wan`: at the start, and again after somebody deleted it."""
    if "gateway" in hosts["wan"].interfaces():  # the old cable, whatever its other end is called now
        hosts["wan"].ip("link delete gateway")
    _link(hosts["gateway"], "wan0", hosts["wan"], "gateway")
    hosts["wan"].ip("link set gateway master bridge")
    set_up_wan(hosts)


def set_up_wan(hosts, interface="wan0"):
    """What the gateway's network service does when its outer interface comes up: addresses, routes, neighbours."""
    gateway = hosts["gateway"]
    _address(gateway, interface, gateway.ip4, gateway.ip6)
    default_routes(gateway, hosts["wan"].ip4, hosts["wan"].ip6)
    for name in ("wan", "client", "attacker"):
        neighbour(gateway, interface, hosts[name])


def default_routes(host, via4, via6):
    host.ip(f"route replace default via {via4}", f"route replace ::/0 via {via6}")


def neighbour(host, interface, other, *addresses):
    """`host` knows `other`'s MAC address for these addresses (default: its own two), for good."""
    entry = f"lladdr {_mac(other)} nud permanent dev {interface}"
    host.ip(*(f"neighbour replace {address} {entry}" for address in addresses or (other.ip4, other.ip6)))


def _link(host, interface, other, other_interface):
    """A cable between two hosts, made inside their namespaces; `host`'s end gets its MAC address."""
    host.ip(
        f"link add {interface} address {_mac(host)} type veth peer name {other_interface} netns {other.netns}",
        f"link set {interface} up",
    )
    other.ip(f"link set {other_interface} up")
    for end, name in ((host, interface), (other, other_interface)):
        _whole_checksums(end, name)


def _whole_checksums(host, interface):
    """As `ethtool -K tx off`: a veth would leave checksums to hardware that is not there."""
    value = struct.pack("@II", _ETHTOOL_STXCSUM, 0)
    buffer = (ctypes.c_char * len(value)).from_buffer_copy(value)
    request = struct.pack("@16sP", interface.encode(), ctypes.addressof(buffer))
    with host.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, request)


def _address(host, interface, ip4, ip6):
    host.ip(
        f"link set {interface} up",
        f"address replace {ip4}/24 dev {interface}",
        f"address replace {ip6}/64 dev {interface} nodad",
    )


def _mac(host):
    return host.mac.hex(":")
