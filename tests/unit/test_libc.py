"""Numbers of the kernel that are not the same on all CPUs: OpenWrt's most usual routers are MIPS, where no test runs."""

import socket
import unittest

from common import without_ffi  # noqa: F401  (before the next one)
from knocklet.edge import libc, tls_context

# linux/arch/mips/include/uapi/asm/socket.h, and linux/include/uapi/asm-generic/socket.h, which x86, ARM and RISC-V have
MIPS = {"SOL_SOCKET": 0xFFFF, "SO_SNDBUF": 0x1001, "SO_RCVBUF": 0x1002, "SO_PEERCRED": 18}
OTHERS = {"SOL_SOCKET": 1, "SO_SNDBUF": 7, "SO_RCVBUF": 8, "SO_PEERCRED": 17}
NAMES = ("SO_SNDBUF", "SO_RCVBUF", "SO_PEERCRED")


class TestSocketOptions(unittest.TestCase):
    def test_by_cpu(self):
        for cpu in (MIPS, OTHERS):
            self.assertEqual(libc.socket_options(cpu["SOL_SOCKET"]), tuple([cpu[name] for name in NAMES]))

    def test_of_this_cpu(self):
        known = MIPS if socket.SOL_SOCKET == MIPS["SOL_SOCKET"] else OTHERS
        self.assertEqual(socket.SOL_SOCKET, known["SOL_SOCKET"])
        self.assertEqual((libc.SO_SNDBUF, libc.SO_RCVBUF), (known["SO_SNDBUF"], known["SO_RCVBUF"]))
        if hasattr(socket, "SO_PEERCRED"):  # CPython knows them all
            self.assertEqual(libc.socket_options(socket.SOL_SOCKET), tuple([getattr(socket, name) for name in NAMES]))


class TestReasons(unittest.TestCase):
    def test_network_is_unreachable(self):
        """asm/errno.h: 128 on MIPS, 101 elsewhere."""
        for number in (101, 128):
            self.assertEqual(tls_context.reason(OSError(number)), "no route to it")
