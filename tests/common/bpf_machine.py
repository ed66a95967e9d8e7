"""A machine for classic BPF, as Documentation/networking/filter.rst describes it, and the kernel's own check of a program.

Only what a filter on a packet socket may do, decoded from the bits of the code: nothing is shared with core/bpf.py.
"""

from struct import calcsize, unpack_from

_INSTRUCTION = "@HBBI"


def disassemble(code):
    """The instructions (code, jt, jf, k) in an array of struct sock_filter."""
    size = calcsize(_INSTRUCTION)
    return [unpack_from(_INSTRUCTION, code, at) for at in range(0, len(code), size)]


def check(program):
    """As bpf_check_classic(): at most 4096, no jump out, a return at the end. Raises ValueError."""
    if not 0 < len(program) <= 4096:
        raise ValueError("%d instructions" % len(program))
    for at, (code, jt, jf, k) in enumerate(program):
        if code & 7 == 5:  # BPF_JMP
            jumps = (k,) if code == 0x05 else (jt, jf)
            if at + 1 + max(jumps) >= len(program) or not (0 <= jt < 256 and 0 <= jf < 256):
                raise ValueError("jump out of the program at %d" % at)
    if program[-1][0] & 7 != 6:  # BPF_RET
        raise ValueError("no return at the end")


def run(program, packet, packet_type=0, vlan=0):
    """How many bytes of the packet the program keeps: 0 drops it."""
    a = x = at = 0
    ancillary = {0xFFFFF000 + 4: packet_type, 0xFFFFF000 + 44: vlan}
    while True:
        code, jt, jf, k = program[at]
        at += 1
        kind = code & 7
        if kind in (0, 1):  # BPF_LD, BPF_LDX
            mode, size = code & 0xE0, {0x00: 4, 0x08: 2, 0x10: 1}[code & 0x18]
            if mode == 0x00:  # BPF_IMM
                value = k
            elif mode == 0x20 and k in ancillary:  # BPF_ABS
                value = ancillary[k]
            else:
                start = {0x20: k, 0x40: x + k, 0xA0: k}[mode]  # BPF_ABS, BPF_IND, BPF_MSH
                if start + size > len(packet):
                    return 0
                value = int.from_bytes(packet[start : start + size], "big")
                if mode == 0xA0:
                    value = 4 * (value & 15)
            if kind == 0:
                a = value
            else:
                x = value
        elif kind == 4:  # BPF_ALU
            if code != 0x54:
                raise ValueError("ALU code 0x%x" % code)
            a &= k
        elif code == 0x05:  # BPF_JA
            at += k
        elif kind == 5:  # BPF_JMP with BPF_K
            test = {0x15: a == k, 0x25: a > k, 0x35: a >= k, 0x45: bool(a & k)}[code]
            at += jt if test else jf
        elif code == 0x06:  # BPF_RET with BPF_K
            return k
        else:
            raise ValueError("code 0x%x" % code)
