"""The kernel filter: which packets of an interface reach the engine at all.

Runs on the network header (SOCK_DGRAM). Passes unfragmented TCP SYN and UDP to the ports that matter, for IPv4 with
any options and IPv6 without extension headers, sent to this machine, not in a VLAN of its own. Everything else dies in
the kernel and wakes nobody.

Of signed packets (`spa`) it passes those of the right length, and, while the clock is trusted, only of the slots of now and
with the tag of a client in that slot: junk of the right form dies here too.
"""

from ..wire import spa_packet
from . import bpf
from .packet import TCP, UDP

KEEP_BYTES = 128  # of a packet that passes: 60 + 20 bytes of headers, and room
SPA_KEEP_BYTES = 160  # 60 + 8 of headers, and the packet
FWKNOP_KEEP_BYTES = 456  # 60 + 8, and FWKNOP_HIGH
FWKNOP_LOW, FWKNOP_HIGH = 140, 384  # bytes of a fwknop packet: below 140 is none, 400 and more are another kind
_UDP_BYTES = 8
_LEAF = 16  # tags that are compared one after the other: more of them make the program shorter
_HOST = 0  # PACKET_HOST
_SYN = 0x02
_TCP_FLAGS = 0x3F


def nothing():
    """A filter that drops everything: an interface that we do not listen on now."""
    return [bpf.instruction(bpf.RET, 0)]


def everything():
    """A filter that passes everything, to be judged in user space."""
    return [bpf.instruction(bpf.RET, FWKNOP_KEEP_BYTES)]


def program(tcp_ports, udp_ports, spa_port=0, spa=None, fwknop_port=0):
    """The filter for these destination ports (any iterables): a list of instructions for bpf.assemble.

    spa: a block for what comes to spa_port (0: none) in the right length; fwknop_port: 0 for none.
    """
    return programs(tcp_ports, udp_ports, spa_port, [spa], fwknop_port)[0]


def programs(tcp_ports, udp_ports, spa_port, spas, fwknop_port):
    """The same for each of the blocks `spas`: of the ports there may be thousands, and they are looked at once."""
    tcp, udp = [bpf.one_of(sorted(set(ports)), KEEP_BYTES) for ports in (tcp_ports, udp_ports)]
    return [_to_transport() + _transport(tcp, udp, _datagrams(spa_port, spa, fwknop_port)) for spa in spas]


def _to_transport():
    """Drops what is not for us; then A is the protocol, X the offset of the transport header."""
    block = [bpf.instruction(bpf.LD_W, bpf.PACKET_TYPE)] + bpf.otherwise_drop(bpf.JEQ, _HOST)
    # Priority-tagged packets (VLAN 0) belong to the interface itself, all other tags to another one.
    block += [bpf.instruction(bpf.LD_W, bpf.VLAN_TAG)] + bpf.drop_if(bpf.JSET, 0x0FFF)
    block += [bpf.instruction(bpf.LD_B, 0), bpf.instruction(bpf.AND, 0xF0)]
    ipv6 = _ipv6()
    ipv4 = bpf.otherwise_drop(bpf.JEQ, 0x40) + _ipv4() + [bpf.instruction(bpf.JA, len(ipv6))]  # both meet behind
    return block + bpf.either(bpf.JEQ, 0x60, ipv6, ipv4)


def _datagrams(spa_port, spa, fwknop_port):
    """port -> what is done with the length of a datagram to it."""
    found = {}
    if spa_port:
        found[spa_port] = _spa_length(spa, nothing())
    if fwknop_port:
        found[fwknop_port] = _spa_length(spa, _fwknop()) if fwknop_port == spa_port else _fwknop()
    return found


def spa_any():
    """The clock is not trusted: the slot says nothing."""
    return [bpf.instruction(bpf.RET, SPA_KEEP_BYTES)]


def spa_slots(slots):
    """Packets of these slots (numbers), whatever their tag."""
    return [bpf.instruction(bpf.LD_W_X, _UDP_BYTES)] + bpf.one_of(sorted(slots), SPA_KEEP_BYTES)


def tags_block(values):
    """Packets with one of these tags (numbers, in order, each once): one piece, made once for each slot."""
    tag = bpf.instruction(bpf.LD_W_X, _UDP_BYTES + spa_packet.TAG_AT)
    return bpf.assemble([tag] + bpf.one_of(values, SPA_KEEP_BYTES, _LEAF))


def spa_tags(blocks):
    """Packets of these slots with a tag of theirs: slot (number) -> tags_block()."""
    made = nothing()
    for slot in sorted(blocks):
        made = bpf.either(bpf.JEQ, slot, [blocks[slot]], made)
    return [bpf.instruction(bpf.LD_W_X, _UDP_BYTES)] + made


def _spa_length(spa, otherwise):
    """A is the length in the UDP header."""
    return bpf.either(bpf.JEQ, _UDP_BYTES + spa_packet.BYTES, spa, otherwise)


def _fwknop():
    block = bpf.otherwise_drop(bpf.JGT, _UDP_BYTES + FWKNOP_LOW - 1) + bpf.drop_if(bpf.JGT, _UDP_BYTES + FWKNOP_HIGH)
    return block + [bpf.instruction(bpf.RET, FWKNOP_KEEP_BYTES)]


def _ipv4():
    block = [bpf.instruction(bpf.LD_H, 6)] + bpf.drop_if(bpf.JSET, 0x3FFF)  # more fragments, or an offset
    return block + [bpf.instruction(bpf.LDX_IHL, 0), bpf.instruction(bpf.LD_B, 9)]


def _ipv6():
    return [bpf.instruction(bpf.LDX_IMM, 40), bpf.instruction(bpf.LD_B, 6)]


def _transport(tcp, udp, datagrams):
    """tcp, udp: blocks for a destination port in A."""
    port = bpf.instruction(bpf.LD_H_X, 2)
    syn = [bpf.instruction(bpf.LD_B_X, 13), bpf.instruction(bpf.AND, _TCP_FLAGS)]
    syn += bpf.otherwise_drop(bpf.JEQ, _SYN) + [port] + tcp
    for number in sorted(datagrams):
        udp = bpf.either(bpf.JEQ, number, [bpf.instruction(bpf.LD_H_X, 4)] + datagrams[number], udp)
    return bpf.either(bpf.JEQ, TCP, syn, bpf.either(bpf.JEQ, UDP, [port] + udp, nothing()))
