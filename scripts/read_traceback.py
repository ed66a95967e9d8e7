"""A traceback of a gateway in the words of the source: what the build has shortened becomes long again.

    read_traceback.py [NAMES] <TRACEBACK

Where a short name stands for several in a module, it shows all: `_first/_second`.

NAMES: what the build of that version wrote beside itself, build/firmware.names if it is not given.
"""

import builtins
import re
import sys
from pathlib import Path

_EXCEPTIONS = {name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, BaseException)}
_NAMES = Path(__file__).resolve().parents[1] / "build" / "firmware.names"


def read(names, lines):
    """The lines anew. names: the lines `short-module module`, and `short-module def-or-name short long`."""
    modules, long = {}, {}
    for words in map(str.split, names):
        if len(words) == 2:
            modules[words[0]] = words[1]
        else:
            long.setdefault(tuple(words[:3]), []).append(words[3])
    module = None

    def in_frame(match):
        nonlocal module
        module = match[1]
        function = "/".join(sorted(long.get((module, "def", match[2]), [match[2]])))
        return f'File "{modules.get(module, module)}", in {function}'

    def in_message(match):
        return "/".join(sorted(long.get((module, "name", match[0]), long.get((module, "def", match[0]), [match[0]]))))

    for line in lines:
        new = re.sub(r'File "(\w+)", line \d+, in (\S+)', in_frame, line)
        if new == line and module:
            kind = line.partition(":")[0]
            own = r"(?<=')\w+(?=')" if kind in _EXCEPTIONS else r"^\w+(?=:)|(?<=')\w+(?=')"
            new = re.sub(own, in_message, line)
        yield new


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else _NAMES
    sys.stdout.writelines(read(file.read_text().splitlines(), sys.stdin))
