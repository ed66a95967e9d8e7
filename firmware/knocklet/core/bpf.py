"""Classic BPF programs, assembled and checked. Source: linux/filter.h, Documentation/networking/filter.rst.

A program is a list of instructions (code, jt, jf, k); jumps count from the next instruction. Blocks of instructions
are plain lists that are joined: a block of which every path ends in RET can stand anywhere, also assembled already, as one
piece. What is asserted would be a mistake of ours, for the tests to find; the kernel refuses such a program too.
"""

from struct import pack

LIMIT = 4096  # instructions (BPF_MAXINSNS)
_JUMP_LIMIT = 255  # jt and jf are 8 bits
_INSTRUCTION = "@HBBI"  # struct sock_filter
INSTRUCTION_BYTES = 8

LD_W = 0x20  # A = 32 bits at k
LD_H = 0x28  # A = 16 bits at k
LD_B = 0x30  # A = byte at k
LD_W_X = 0x40  # A = 32 bits at X + k
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


def size(block):
    """How many instructions a block has."""
    return sum([len(piece) // INSTRUCTION_BYTES if isinstance(piece, bytes) else 1 for piece in block])


def either(code, k, then, other):
    """`then` when the test holds, else `other`, a block that ends or jumps. Any size: the far one is reached by JA."""
    return [instruction(code, k, 0, 1), instruction(JA, size(other))] + other + then


def one_of(values, keep, leaf=8):
    """Keep `keep` bytes when A is one of `values` (sorted, distinct), else drop: a search tree with leaves of `leaf` values.

    Each leaf is one piece: of thousands of ports, an instruction each would fill the heap of a 32-bit gateway.
    """
    if len(values) > leaf:
        middle = (len(values) + leaf - 1) // leaf // 2 * leaf  # leaves are full: each costs two more instructions
        return either(JGT, values[middle - 1], one_of(values[middle:], keep, leaf), one_of(values[:middle], keep, leaf))
    block = [instruction(JEQ, value, len(values) - i) for i, value in enumerate(values)]
    return [assemble(block + [instruction(RET, 0), instruction(RET, keep)])]


def assemble(program):
    """The bytes of an array of struct sock_filter, in native byte order. Every jump is checked to land inside."""
    count = size(program)
    assert 0 < count <= LIMIT, "BPF program of %d instructions: 1 to %d fit" % (count, LIMIT)
    pieces = []
    at = 0
    for piece in program:
        if isinstance(piece, bytes):
            at += len(piece) // INSTRUCTION_BYTES
        else:
            code, jt, jf, k = piece
            at += 1
            assert code == RET or at + (k if code == JA else max(jt, jf)) < count, "BPF jump out of the program"
            piece = pack(_INSTRUCTION, code, jt, jf, k)
        pieces.append(piece)
    return b"".join(pieces)
