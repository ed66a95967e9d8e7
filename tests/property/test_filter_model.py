"""The kernel filter against what is said of it in words: a packet is built from fields, and they say whether it passes."""

import ctypes
import socket

from hypothesis import given, settings
from hypothesis import strategies as st

from common.bpf_machine import check, disassemble, run
from common.packets import TCP, UDP, ipv4, ipv6, tcp, udp
from knocklet.core import bpf, filter, verdict
from knocklet.core.packet import Packet

PORTS = st.sampled_from((1, 22, 443, 7000, 7001, 8000, 32767, 32768, 65535))
SETS = st.sets(st.one_of(PORTS, st.integers(1, 65535)), max_size=80)
SO_ATTACH_FILTER = 26


def usually(value, others):
    """`value` in most draws."""
    return st.one_of(st.just(value), st.just(value), st.just(value), others)


@settings(max_examples=1000, deadline=None)
@given(
    SETS, SETS, st.booleans(), usually(TCP, st.one_of(st.just(UDP), st.just(UDP), st.integers(0, 255))), PORTS,
    usually(0x02, st.integers(0, 255)), usually(0x4000, st.integers(0, 0xFFFF)), st.integers(0, 10),
    usually(0, st.integers(1, 7)), usually(0, st.integers(0, 0xFFFF)), st.integers(0, 30),
)  # fmt: skip
def test_filter_passes_what_the_fields_say(
    tcp_ports, udp_ports, version6, protocol, port, flags, fragment, options, packet_type, vlan, payload
):
    body = tcp(port, flags=flags) + bytes(payload) if protocol == TCP else udp(port, bytes(payload))
    if version6:
        packet = ipv6(body, protocol)
        fragmented = False
    else:
        packet = ipv4(body, protocol, options=bytes(4 * options), fragment=fragment)
        fragmented = bool(fragment & 0x3FFF)
    if protocol == TCP:
        wanted = port in tcp_ports and flags & 0x3F == 0x02
    else:
        wanted = protocol == UDP and port in udp_ports
    expected = wanted and not fragmented and packet_type == 0 and vlan & 0x0FFF == 0

    program = disassemble(bpf.assemble(filter.program(tcp_ports, udp_ports)))
    check(program)
    assert run(program, packet, packet_type, vlan) == (filter.KEEP_BYTES if expected else 0)

    # And the parser is of one mind with it.
    parsed = Packet()
    taken = parsed.parse(packet, 0, len(packet), len(packet)) == verdict.PARSED
    if expected:
        assert taken
        assert (parsed.protocol, parsed.port) == (protocol, port)
    elif packet_type == 0 and vlan & 0x0FFF == 0:
        assert not (taken and parsed.port in (tcp_ports if parsed.protocol == TCP else udp_ports))


@settings(max_examples=500, deadline=None)
@given(SETS, SETS, st.binary(max_size=100))
def test_filter_and_parser_on_any_bytes(tcp_ports, udp_ports, data):
    program = disassemble(bpf.assemble(filter.program(tcp_ports, udp_ports)))
    parsed = Packet()
    for start in (b"", b"\x45", b"\x4f", b"\x60"):
        packet = start + data
        if parsed.parse(packet, 0, len(packet), len(packet)) == verdict.PARSED:
            wanted = parsed.port in (tcp_ports if parsed.protocol == TCP else udp_ports)
            assert (run(program, packet) > 0) == wanted
        else:
            run(program, packet)  # ends, and reads nothing that is not there


@settings(max_examples=50, deadline=None)
@given(SETS, SETS)
def test_the_kernel_takes_it(tcp_ports, udp_ports):
    """Its own checker, on a socket of no other use."""
    code = bpf.assemble(filter.program(tcp_ports, udp_ports))
    memory = ctypes.create_string_buffer(code)

    class Program(ctypes.Structure):
        _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    program = Program(len(code) // 8, ctypes.addressof(memory))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))
