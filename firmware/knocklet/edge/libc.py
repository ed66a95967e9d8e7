"""The few C library calls that MicroPython does not have, through ffi.

ffi.open(None) is the program's own C library, whatever its name (glibc, musl).
"""

import socket
import sys
from struct import calcsize, pack, unpack

try:
    import ffi
except ImportError:
    ffi = None
if not ffi:  # every part of ours imports this file: none of them can say it better
    sys.stderr.write("knocklet: this MicroPython has no ffi: needs the package micropython-mbedtls (OpenWrt) or micropython\n")
    sys.exit(2)

_libc = ffi.open(None)
# mmap's offset is 64 bits on musl even on 32-bit CPUs: always 0 here, so trailing zeros serve every calling convention.
mmap = _libc.func("P", "mmap", "Piiiiiii")
madvise = _libc.func("i", "madvise", "PLi")
getpagesize = _libc.func("i", "getpagesize", "")
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
_timerfd_create = _libc.func("i", "timerfd_create", "ii")
try:
    _timerfd_settime = _libc.func("i", "__timerfd_settime64", "iipP")  # of 32-bit CPUs, seconds of 64 bits
    _ITIMERSPEC = "@qqqq"
except OSError:
    _timerfd_settime = _libc.func("i", "timerfd_settime", "iipP")
    _ITIMERSPEC = "@llll"

PROT_READ_WRITE = 3
MAP_SHARED = 1
MAP_FAILED = (-1, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)  # ffi gives it signed or unsigned
LOCK_EX_NB = 2 | 4
F_SETFD = 2
FD_CLOEXEC = 1
MSG_PEEK = 0x02
MSG_TRUNC = 0x20
MSG_DONTWAIT = 0x40
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
EAGAIN = 11  # of OSError: nothing there, or no room, for now
_EINVAL = 22
_CLOCK_REALTIME = 0
_TFD_CLOEXEC = 0o2000000
_TFD_TIMER_ABSTIME = 1
_TFD_TIMER_CANCEL_ON_SET = 2


def socket_options(sol_socket):
    """The numbers of SO_SNDBUF, SO_RCVBUF and SO_PEERCRED, by that of SOL_SOCKET, which the interpreter knows: MIPS has others
    than the rest. Source: asm/socket.h of both."""
    return (0x1001, 0x1002, 18) if sol_socket == 0xFFFF else (7, 8, 17)


SOL_SOCKET = socket.SOL_SOCKET
SO_SNDBUF, SO_RCVBUF, _SO_PEERCRED = socket_options(SOL_SOCKET)


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
    return getsockopt(sock.fileno(), SOL_SOCKET, socket.SO_ERROR, "@i")[0]


def peer_uid(sock):
    """The user id of the process at the other end of an AF_UNIX connection; -1 when the kernel does not tell."""
    try:
        return getsockopt(sock.fileno(), SOL_SOCKET, _SO_PEERCRED, "@iII")[1]
    except OSError:
        return -1


def wall_timer():
    """A file that becomes readable at a time of the clock on the wall, and at once when somebody sets the clock; None when
    the kernel has no such timer. To be set again, not read: that makes it unreadable, and a read could wait."""
    fd = _timerfd_create(_CLOCK_REALTIME, _TFD_CLOEXEC)
    return open(fd, "rb") if fd >= 0 else None


def set_wall_timer(timer, at_s):
    """Returns False when it cannot be set so, and when the clock was set since the last time: it is set for all that."""
    spec = pack(_ITIMERSPEC, 0, 0, at_s, 0)  # struct itimerspec: seconds and nanoseconds, of each further time and the first
    flags = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
    return _timerfd_settime(timer.fileno(), flags, spec, 0) == 0
