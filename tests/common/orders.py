"""A program on MicroPython that a test drives: one order a line on standard input, one answer a line on standard output."""

import json
import sys


def obey(driver, answered=(), known=()):
    """{"do": name of a method of `driver`, its arguments by name} -> {"ok": what it returned}, to the end of the input.

    An exception of a class in `answered` is an answer too, {"error": text, "kind": class}; one that is not in `known` is
    printed on standard error besides. Any other ends the program.
    """
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        order = json.loads(line)
        try:
            done = {"ok": getattr(driver, order.pop("do"))(**order)}
        except answered as error:
            done = {"error": str(error), "kind": type(error).__name__}
            if not isinstance(error, known):
                sys.print_exception(error, sys.stderr)
        print(json.dumps(done))
