"""What can go wrong, by whose fault, and the exit code that says so.

The text of an error is one line: what, where, what is allowed.

    0  done; a service that was tried answered
    1  knocked, but the service did not answer
    2  the command line asks for something that is not possible
    3  nothing could be sent: name not found, no route, no such address here
    130  stopped with Ctrl-C
"""

NO_ANSWER = 1


class ToolError(Exception):
    """Base of everything that is told to a person in one line."""

    exit_code: int


class InputError(ToolError):
    """What was typed is not possible."""

    exit_code = 2


class NetworkError(ToolError):
    """This computer's network did not let us send."""

    exit_code = 3
