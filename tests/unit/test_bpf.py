"""The assembler: what it refuses, and that its blocks do what they say, on a machine of its own (common/bpf_machine.py)."""

import unittest

from common.bpf_machine import check, disassemble, run
from common.numbers import Numbers
from knocklet.core import bpf

KEEP = 77
DROP = bpf.instruction(bpf.RET, 0)
TAKE = bpf.instruction(bpf.RET, KEEP)
LOAD = bpf.instruction(bpf.LD_H, 0)


def word(value):
    return bytes([value >> 8, value & 255])


class TestBpf(unittest.TestCase):
    def result(self, program, value):
        program = disassemble(bpf.assemble([LOAD] + program))
        check(program)
        return run(program, word(value))

    def test_jumps_of_an_instruction(self):
        self.assertEqual(bpf.instruction(bpf.JEQ, 5, 255, 255), (bpf.JEQ, 255, 255, 5))
        for jt, jf in ((256, 0), (0, 256), (-1, 0), (0, -1)):
            with self.subTest(jt=jt, jf=jf):
                with self.assertRaises(AssertionError):
                    bpf.instruction(bpf.JEQ, 5, jt, jf)

    def test_length(self):
        for count in (1, 2, 4096):
            with self.subTest(count=count):
                self.assertEqual(len(bpf.assemble([DROP] * count)), 8 * count)
        for count in (0, 4097):
            with self.subTest(count=count):
                with self.assertRaises(AssertionError):
                    bpf.assemble([DROP] * count)

    def test_no_way_out(self):
        for program in (
            [LOAD],  # runs on past the end
            [bpf.instruction(bpf.JA, 1), DROP],
            [bpf.instruction(bpf.JA, 0)],
            [bpf.instruction(bpf.JEQ, 0, 1, 0), DROP],
            [bpf.instruction(bpf.JEQ, 0, 0, 1), DROP],
            [bpf.instruction(bpf.JEQ, 0, 0, 255), DROP],
        ):
            with self.subTest(program):
                with self.assertRaises(AssertionError):
                    bpf.assemble(program)
                with self.assertRaises(ValueError):
                    check(program)

    def test_bytes_are_native_and_whole(self):
        instructions = [(bpf.LD_W, 0, 0, bpf.PACKET_TYPE), (bpf.JEQ, 1, 0, 0x7FFFFFFF), (bpf.JA, 0, 0, 0), DROP]
        self.assertEqual(disassemble(bpf.assemble(instructions)), instructions)

    def test_assembled_pieces(self):
        """A piece that is assembled already counts as its instructions, and is jumped over as they are."""
        piece = bpf.assemble([LOAD] * 5 + [TAKE])
        self.assertEqual((bpf.size([piece]), bpf.size([LOAD, piece, DROP])), (6, 8))
        for program in (bpf.either(bpf.JEQ, 9, [DROP], [piece]), bpf.either(bpf.JEQ, 9, [piece], [TAKE])[:-1] + [piece]):
            self.assertEqual(self.result(program, 8), KEEP)
        self.assertEqual(self.result(bpf.either(bpf.JEQ, 9, [DROP], [piece]), 9), 0)
        with self.assertRaises(AssertionError):
            bpf.assemble([piece] * 700)

    def test_what_is_no_jump(self):
        """A large number in another instruction leads nowhere."""
        for code in (bpf.LDX_IMM, bpf.LD_B, bpf.AND, bpf.RET):
            bpf.assemble([bpf.instruction(code, 4000), DROP])

    def test_otherwise_drop(self):
        program = bpf.otherwise_drop(bpf.JEQ, 5) + [TAKE]
        self.assertEqual([self.result(program, value) for value in (4, 5, 6)], [0, KEEP, 0])

    def test_drop_if(self):
        program = bpf.drop_if(bpf.JSET, 6) + [TAKE]
        self.assertEqual([self.result(program, value) for value in (1, 2, 4, 7, 8)], [KEEP, 0, 0, 0, KEEP])

    def test_either(self):
        """Of any size, also where the jump is longer than eight bits."""
        for filler in (0, 1, 255, 256, 1000):
            with self.subTest(filler=filler):
                other = [LOAD] * filler + [DROP]
                program = bpf.either(bpf.JGT, 9, [TAKE], other)
                self.assertEqual([self.result(program, value) for value in (9, 10)], [0, KEEP])
                program = bpf.either(bpf.JGT, 9, other, [TAKE])
                self.assertEqual([self.result(program, value) for value in (9, 10)], [KEEP, 0])

    def test_one_of(self):
        numbers = Numbers(4)
        for count in list(range(20)) + [64, 300]:
            values = sorted({numbers.below(65536) for _ in range(count)} | ({0, 65535} if count > 2 else set()))
            program = disassemble(bpf.assemble([LOAD] + bpf.one_of(values, KEEP)))
            check(program)
            near = {(value + step) & 0xFFFF for value in values for step in (-1, 0, 1)} | {0, 1, 32767, 65535}
            with self.subTest(count=count):
                for value in near:
                    self.assertEqual(run(program, word(value)), KEEP if value in values else 0)

    def test_a_leaf_has_no_more_than_a_jump_is_long(self):
        values = list(range(256))
        self.assertEqual([self.result(bpf.one_of(values[:255], KEEP, 255), value) for value in (0, 254, 255)], [KEEP, KEEP, 0])
        with self.assertRaises(AssertionError):
            bpf.one_of(values, KEEP, 256)

    def test_one_of_is_short_and_quick(self):
        """A tree: no packet walks through all values."""
        for leaf in (8, 16):
            for count in range(1, 600):
                leaves = -(-count // leaf)
                self.assertEqual(bpf.size(bpf.one_of(list(range(count)), KEEP, leaf)), count + 2 * leaves + 2 * (leaves - 1))
        values = list(range(0, 4096, 8))
        program = disassemble(bpf.assemble([LOAD] + bpf.one_of(values, KEEP)))
        steps = _Counted(program)
        for value in (0, 2048, 4088, 65535):
            steps.taken = 0
            run(steps, word(value))
            self.assertLessEqual(steps.taken, 1 + 2 * 7 + 9)

    def test_one_of_is_small_while_it_is_made(self):
        """A piece for a leaf, not a tuple for an instruction: the heap of a 32-bit gateway is half full before."""
        self.assertTrue(len(bpf.one_of(list(range(1600)), KEEP)) <= 1600 // 8 * 3)


class _Counted:
    def __init__(self, program):
        self.program = program
        self.taken = 0

    def __getitem__(self, at):
        self.taken += 1
        return self.program[at]
