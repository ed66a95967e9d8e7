"""The few C library calls that MicroPython does not have, through ffi.

ffi.open(None) is the program's own C library, whatever its name (glibc, musl).
"""

import ffi
from struct import calcsize, pack, unpack

_libc = ffi.open(None)
# mmap's offset is 64 bits on musl even on 32-bit CPUs: always 0 here, so trailing zeros serve every calling convention.
mmap = _libc.func("P", "mmap", "Piiiiiii")
munmap = _libc.func("i", "munmap", "Pi")
chmod = _libc.func("i", "chmod", "si")
fchmod = _libc.func("i", "fchmod", "ii")
chown = _libc.func("i", "chown", "sii")
umask = _libc.func("i", "umask", "i")
flock = _libc.func("i", "flock", "ii")
fcntl = _libc.func("i", "fcntl", "iii")
recv = _libc.func("i", "recv", "iPLi")
setgroups = _libc.func("i", "setgroups", "LP")
setgid = _libc.func("i", "setgid", "i")
setuid = _libc.func("i", "setuid", "i")
getuid = _libc.func("i", "getuid", "")
prctl = _libc.func("i", "prctl", "iLLLL")
_getsockopt = _libc.func("i", "getsockopt", "iiipp")

PROT_READ_WRITE = 3
MAP_SHARED = 1
MAP_FAILED = (-1, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)  # ffi gives it signed or unsigned
LOCK_EX_NB = 2 | 4
F_SETFD = 2
FD_CLOEXEC = 1
SOL_SOCKET = 1
SO_ERROR = 4
SO_PEERCRED = 17
MSG_PEEK = 0x02
MSG_TRUNC = 0x20
MSG_DONTWAIT = 0x40
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
EAGAIN = 11  # of OSError: nothing there, or no room, for now
_EINVAL = 22


def getsockopt(fd, level, option, fmt, asked=b""):
    """The parts of a socket option laid out as struct `fmt`; `asked`: what it begins with as a question. Raises OSError."""
    value = bytearray(calcsize(fmt))
    value[: len(asked)] = asked
    length = bytearray(pack("@I", len(value)))
    if _getsockopt(fd, level, option, value, length) < 0:
        raise OSError(_EINVAL)
    return unpack(fmt, value)


def socket_error(sock):
    """Take the error away that waits at a socket: an errno, 0 for none."""
    return getsockopt(sock.fileno(), SOL_SOCKET, SO_ERROR, "@i")[0]


def peer_uid(sock):
    """The user id of the process at the other end of an AF_UNIX connection; -1 when the kernel does not tell."""
    try:
        return getsockopt(sock.fileno(), SOL_SOCKET, SO_PEERCRED, "@iII")[1]
    except OSError:
        return -1
