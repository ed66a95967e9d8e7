"""The kernel filter: which packets of an interface reach the engine at all.

Runs on the network header (SOCK_DGRAM). Passes unfragmented TCP SYN and UDP to the ports that matter, for IPv4 with
any options and IPv6 without extension headers, sent to this machine, not in a VLAN of its own. Everything else dies in
the kernel and wakes nobody.
"""

from . import bpf
from .packet import TCP, UDP

KEEP_BYTES = 128  # of a packet that passes: 60 + 20 bytes of headers, and room
_HOST = 0  # PACKET_HOST
_SYN = 0x02
_TCP_FLAGS = 0x3F


def nothing():
    """A filter that drops everything: an interface that we do not listen on now."""
    return [bpf.instruction(bpf.RET, 0)]


def program(tcp_ports, udp_ports):
    """The filter for these destination ports (any iterables): a list of instructions for bpf.assemble."""
    block = [bpf.instruction(bpf.LD_W, bpf.PACKET_TYPE)] + bpf.otherwise_drop(bpf.JEQ, _HOST)
    # Priority-tagged packets (VLAN 0) belong to the interface itself, all other tags to another one.
    block += [bpf.instruction(bpf.LD_W, bpf.VLAN_TAG)] + bpf.drop_if(bpf.JSET, 0x0FFF)
    block += [bpf.instruction(bpf.LD_B, 0), bpf.instruction(bpf.AND, 0xF0)]
    ipv6 = _ipv6()
    ipv4 = bpf.otherwise_drop(bpf.JEQ, 0x40) + _ipv4() + [bpf.instruction(bpf.JA, len(ipv6))]  # both meet behind
    return block + bpf.either(bpf.JEQ, 0x60, ipv6, ipv4) + _transport(sorted(set(tcp_ports)), sorted(set(udp_ports)))


def _ipv4():
    block = [bpf.instruction(bpf.LD_H, 6)] + bpf.drop_if(bpf.JSET, 0x3FFF)  # more fragments, or an offset
    return block + [bpf.instruction(bpf.LDX_IHL, 0), bpf.instruction(bpf.LD_B, 9)]


def _ipv6():
    return [bpf.instruction(bpf.LDX_IMM, 40), bpf.instruction(bpf.LD_B, 6)]


def _transport(tcp_ports, udp_ports):
    """A is the protocol, X the offset of the transport header."""
    port = bpf.instruction(bpf.LD_H_X, 2)
    tcp = [bpf.instruction(bpf.LD_B_X, 13), bpf.instruction(bpf.AND, _TCP_FLAGS)]
    tcp += bpf.otherwise_drop(bpf.JEQ, _SYN) + [port] + bpf.one_of(tcp_ports, KEEP_BYTES)
    udp = [port] + bpf.one_of(udp_ports, KEEP_BYTES)
    return bpf.either(bpf.JEQ, TCP, tcp, bpf.either(bpf.JEQ, UDP, udp, nothing()))
