"""What can go wrong, by whose fault, and the exit code that says so.

The text of an error is one line: what, where, what is allowed.

    0  done; a service that was tried answered
    1  knocked, but the service did not answer; `broker check` found something open; `lint --strict` something weak
    2  the command line, or a file it names, asks for something that is not possible
    3  nothing could be sent: name not found, no route, no such address here
    4  the broker could not be reached, did not let us in, or refused what we asked it for
    5  the gateway did not answer, or has said nothing yet
    6  what came was not from the gateway (forged), or older than what was known (stale)
    7  the gateway answered, and refused
    8  the history could not be read or written
    130  stopped with Ctrl-C
"""

NO_ANSWER = 1
FAILED_CHECK = 1


class ToolError(Exception):
    """Base of everything that is told to a person in one line."""

    exit_code: int


class InputError(ToolError):
    """What was typed is not possible."""

    exit_code = 2


class NetworkError(ToolError):
    """This computer's network did not let us send."""

    exit_code = 3


class BrokerError(ToolError):
    """The broker is away or refuses. `again`: may trying again later help?"""

    exit_code = 4

    def __init__(self, text: str, again: bool = True) -> None:
        super().__init__(text)
        self.again = again


class GatewayError(ToolError):
    """The gateway said nothing."""

    exit_code = 5


class ForgedError(ToolError):
    """What came cannot be believed."""

    exit_code = 6


class RefusedError(ToolError):
    """The gateway said no."""

    exit_code = 7


class HistoryError(ToolError):
    """The database of events is locked, damaged or not writable."""

    exit_code = 8
