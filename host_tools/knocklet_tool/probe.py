"""Tries whether a service answers: an ordinary connection, closed as soon as it stands.

One connection would often be told late. The first attempt can pass the gateway while the door is just being opened, is
dropped there, and the kernel repeats a SYN only after a second. So fresh attempts follow at short intervals, each from
a source port of its own, until one is answered. The others are then forgotten before they stand: the service sees one.
"""

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from knocklet.wire.steps import TCP

from .knock_sender import Step, open_socket
from .resolve import Target

_STARTS_S = (0, 0.001, 0.005, 0.02, 0.1, 0.5)   # then every half second
OTHERS_S = 0.5   # when one address has answered, how long the others still have
_UDP_PAYLOAD = b"\0"

OPEN, REFUSED, UNREACHABLE, SILENT = "open", "refused", "unreachable", "silent"


@dataclass(frozen=True)
class Answer:
    state: str = SILENT   # one of the four above
    at: float = 0.0   # monotonic seconds, when OPEN


@dataclass
class _Attempt:
    target: Target
    protocol: int
    socket: socket.socket


def probe(targets: list[Target], service: Step, wait_s: float, source: Target | None) -> dict[Target, Answer]:
    """What each target says within `wait_s` seconds: the first OPEN, else the last refusal, else SILENT."""
    answers = {target: Answer() for target in targets}
    begun = time.monotonic()
    end = begun + wait_s
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as sockets:
        starts = _starts(begun)
        start = next(starts)
        while any(answer.state != OPEN for answer in answers.values()):
            now = time.monotonic()
            if now >= end:
                break
            if now >= start:
                start = next(starts)
                for target, answer in answers.items():
                    if answer.state != OPEN:
                        answers[target] = _begin(target, service, source, selector, sockets) or answer
            for key, _ in selector.select(max(0, min(start, end) - time.monotonic())):
                answer = _finish(key.data)
                selector.unregister(key.data.socket)
                key.data.socket.close()
                if answers[key.data.target].state != OPEN:
                    answers[key.data.target] = answer
                if answer.state == OPEN:
                    end = min(end, answer.at + OTHERS_S)
    return answers


def _starts(begun: float) -> Iterator[float]:
    for start in _STARTS_S:
        yield begun + start
    while True:
        start += _STARTS_S[-1]
        yield begun + start


def _begin(
    target: Target,
    service: Step,
    source: Target | None,
    selector: selectors.BaseSelector,
    sockets: contextlib.ExitStack,
) -> Answer | None:
    """Start one attempt. The answer, if it is known at once."""
    protocol, port = service
    try:
        attempt = _Attempt(target, protocol, sockets.enter_context(open_socket(target, protocol, source)))
        result = attempt.socket.connect_ex(target.at(port))
        if protocol != TCP and not result:
            attempt.socket.send(_UDP_PAYLOAD)
    except OSError as error:
        return _refusal(error.errno)
    if result not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
        return _refusal(result)
    selector.register(attempt.socket, selectors.EVENT_WRITE if protocol == TCP else selectors.EVENT_READ, attempt)
    return None


def _finish(attempt: _Attempt) -> Answer:
    """What an attempt was told."""
    at = time.monotonic()
    result = attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return _refusal(result) if result else Answer(OPEN, at)


def _refusal(error: int | None) -> Answer:
    return Answer(REFUSED if error in (errno.ECONNREFUSED, errno.ECONNRESET) else UNREACHABLE)
