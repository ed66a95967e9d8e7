"""Messages as they come, for as long as somebody wants them: a connection that ended is made again."""

import random
import time
from collections.abc import Iterator

from .errors import BrokerError
from .mqtt import Link, Message
from .output import Output
from .settings import Broker

_TICK_S = 0.5   # the caller hears from us at least so often
_FIRST_S, _LAST_S = 1.0, 60.0   # between two tries, each twice as long as the one before, and a half to all of it by chance


def listen(
    broker: Broker, topics: list[str], output: Output, patient: bool, client_id: str = "", session_s: int = 0
) -> Iterator[tuple[Link | None, list[Message]]]:
    """(the connection, what came on it, maybe nothing); the connection is None while there is none.

    patient: a broker that is away at the start is waited for, too. Raises BrokerError where waiting does not help.
    """
    pause_s = _FIRST_S
    while True:
        try:
            with Link(broker, client_id, session_s) as link:
                link.must_subscribe(topics, retained=False)
                output.message(f"Listening at {broker}.")
                pause_s, patient = _FIRST_S, True
                while True:
                    yield link, link.receive(_TICK_S)
        except BrokerError as error:
            if not (error.again and patient):
                raise
            output.message(f"{error}; trying again.")
        end = time.monotonic() + random.uniform(pause_s / 2, pause_s)
        pause_s = min(2 * pause_s, _LAST_S)
        while (left := end - time.monotonic()) > 0:
            yield None, []
            time.sleep(min(left, _TICK_S))
