"""Which names a MicroPython has in itself. It counts those that it sees for the first time."""

import re
import subprocess

_PROGRAM = """
import micropython, sys
for line in sys.stdin:
    micropython.qstr_info()
    hasattr(sys, line.strip())
micropython.qstr_info()
"""


def known(interpreter, names):
    """Those of the names that it knows. A name that the few lines above have counts as known, too."""
    names = sorted(names)
    text = "".join(name + "\n" for name in names)
    ran = subprocess.run([interpreter, "-c", _PROGRAM], input=text, capture_output=True, text=True, check=True)
    counts = re.findall(r"n_qstr=(\d+)", ran.stdout)
    return {name for name, before, after in zip(names, counts[:-1], counts[1:], strict=True) if before == after}
