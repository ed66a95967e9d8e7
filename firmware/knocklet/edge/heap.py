"""The heap of the interpreter: memory that garbage has touched goes back to the system. Else it stays with the process.

The collector frees for itself only. So what is free is taken as bytearrays, the larger pieces first, and the kernel is told
that nobody needs the pages in them (madvise(2)): when they are used again, they are zeros.
"""

import gc
from uctypes import addressof

from . import libc

_LARGEST_BYTES = 1 << 20
_SMALLEST_BYTES = 8192  # has a whole page in it, of the usual 4096
_PIECES = 64
_RESERVE_BYTES = 2048  # for this function itself: an address is a large number, on 32-bit CPUs
_MADV_DONTNEED = 4


def give_back(threshold_bytes):
    """threshold_bytes: what gc.threshold() is from then on."""
    gc.collect()
    gc.threshold(-1)  # else it would collect for each piece
    pieces = [None] * _PIECES
    pieces[0] = bytearray(_RESERVE_BYTES)
    count, size = 1, _LARGEST_BYTES
    while count < _PIECES and size >= _SMALLEST_BYTES:
        try:
            pieces[count] = bytearray(size)
            count += 1
        except MemoryError:
            size //= 2
    pieces[0] = b""
    page = libc.getpagesize()
    for piece in pieces[:count]:
        start = (addressof(piece) + page - 1) // page * page
        size = (addressof(piece) + len(piece)) // page * page - start
        if size > 0:
            libc.madvise(start, size, _MADV_DONTNEED)
    pieces = piece = None
    gc.threshold(threshold_bytes)
    gc.collect()
