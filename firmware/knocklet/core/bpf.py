"""Classic BPF programs, assembled and checked. Source: linux/filter.h, Documentation/networking/filter.rst.

A program is a list of instructions (code, jt, jf, k); jumps count from the next instruction. Blocks of instructions
are plain lists that are joined: a block of which every path ends in RET can stand anywhere. What is asserted would be a
mistake of ours, for the tests to find; the kernel refuses such a program too.
"""

from struct import pack

LIMIT = 4096  # instructions (BPF_MAXINSNS)
_JUMP_LIMIT = 255  # jt and jf are 8 bits

LD_W = 0x20  # A = 32 bits at k
LD_H = 0x28  # A = 16 bits at k
LD_B = 0x30  # A = byte at k
LD_H_X = 0x48  # A = 16 bits at X + k
LD_B_X = 0x50  # A = byte at X + k
LDX_IMM = 0x01  # X = k
LDX_IHL = 0xB1  # X = 4 * (byte at k & 15)
AND = 0x54  # A &= k
JA = 0x05
JEQ = 0x15
JGT = 0x25
JSET = 0x45
RET = 0x06  # how many bytes to keep; 0 drops

PACKET_TYPE = 0xFFFFF004  # SKF_AD_OFF + SKF_AD_PKTTYPE
VLAN_TAG = 0xFFFFF02C  # SKF_AD_OFF + SKF_AD_VLAN_TAG


def instruction(code, k, jt=0, jf=0):
    """One instruction; jumps of conditional ones are checked to fit."""
    assert 0 <= jt <= _JUMP_LIMIT and 0 <= jf <= _JUMP_LIMIT, "BPF jump of %d, %d: only %d fit" % (jt, jf, _JUMP_LIMIT)
    return (code, jt, jf, k)


def otherwise_drop(code, k):
    """Go on when the test holds, else drop: two instructions, wherever they stand."""
    return [instruction(code, k, 1, 0), instruction(RET, 0)]


def drop_if(code, k):
    """Drop when the test holds, else go on."""
    return [instruction(code, k, 0, 1), instruction(RET, 0)]


def either(code, k, then, other):
    """`then` when the test holds, else `other`, a block that ends or jumps. Any size: the far one is reached by JA."""
    return [instruction(code, k, 0, 1), instruction(JA, len(other))] + other + then


def one_of(values, keep):
    """Keep `keep` bytes when A is one of `values` (sorted, distinct), else drop: a search tree with short leaves."""
    if len(values) > 8:
        middle = len(values) // 2
        return either(JGT, values[middle - 1], one_of(values[middle:], keep), one_of(values[:middle], keep))
    block = [instruction(JEQ, value, len(values) - i) for i, value in enumerate(values)]
    return block + [instruction(RET, 0), instruction(RET, keep)]


def assemble(program):
    """The bytes of an array of struct sock_filter, in native byte order. Every jump is checked to land inside."""
    assert 0 < len(program) <= LIMIT, "BPF program of %d instructions: 1 to %d fit" % (len(program), LIMIT)
    assert all(
        code == RET or at + 1 + (k if code == JA else max(jt, jf)) < len(program)
        for at, (code, jt, jf, k) in enumerate(program)
    ), "BPF jump out of the program"
    return b"".join(pack("@HBBI", code, jt, jf, k) for code, jt, jf, k in program)
