"""Sends a knock: one packet a step, to each address.

A TCP step is one SYN: connect without waiting, then close at once. The kernel has sent the SYN by then and, the socket
gone, repeats nothing. Whatever answers (nothing, a reset, an ICMP error) concerns nobody. A UDP step is one byte.
"""

import errno
import os
import socket
import time

from knocklet.wire.steps import TCP

from .resolve import Target

Step = tuple[int, int]   # protocol, port
_UDP_PAYLOAD = b"\0"
# connect() has sent its SYN when it says one of these. Loopback can answer before connect() returns.
_SENT = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.ECONNREFUSED)


def send_knock(
    targets: list[Target], steps: list[Step], delay_s: float, source: Target | None
) -> dict[Target, float | OSError]:
    """For each target the monotonic time in seconds when its last step had left, or why one could not be sent.

    Each step goes to all targets before the next: several addresses take no longer than one.
    """
    ends: dict[Target, float | OSError] = {}
    for number, (protocol, port) in enumerate(steps):
        if number:
            time.sleep(delay_s)
        for target in targets:
            if isinstance(ends.get(target), OSError):
                continue
            try:
                _send_step(target, protocol, port, source)
                ends[target] = time.monotonic()
            except OSError as error:
                ends[target] = error
        if all(isinstance(end, OSError) for end in ends.values()):
            break
    return ends


def open_socket(target: Target, protocol: int, source: Target | None) -> socket.socket:
    """A non-blocking socket towards `target`, with a source port of its own. Raises OSError."""
    kind = socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM
    opened = socket.socket(target.family, kind)
    try:
        opened.setblocking(False)
        if source:
            opened.bind(source.at(0))
    except OSError:
        opened.close()
        raise
    return opened


def _send_step(target: Target, protocol: int, port: int, source: Target | None) -> None:
    with open_socket(target, protocol, source) as step:
        if protocol == TCP:
            result = step.connect_ex(target.at(port))
            if result not in _SENT:
                raise OSError(result, os.strerror(result))
        else:
            step.sendto(_UDP_PAYLOAD, target.at(port))
