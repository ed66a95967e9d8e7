"""`python -m bench [NAME ...]`: measure, print a table, write build/bench.json. Exit 1 when a figure misses its target."""

import argparse
import json
import sys

from .figures import ALL
from .paths import RESULTS
from .table import show


def main():
    names = [name for figures in ALL for name in figures.NAMES]
    parser = argparse.ArgumentParser(prog="bench", description="Measure side by side with knockd and fwknopd.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these figures: " + ", ".join(names))
    parser.add_argument("--only", action="store_true", help="may stand before the names")
    wanted = parser.parse_args().names or names
    for name in wanted:
        if name not in names:
            parser.error(f"{name}: allowed: {', '.join(names)}")
    measured = []
    for figures in ALL:
        if set(figures.NAMES) & set(wanted):
            measured += [figure for figure in figures.measure() if figure.name in wanted]
    RESULTS.write_text(json.dumps([figure.as_dict() for figure in measured], indent=2) + "\n")
    show(measured)
    return 0 if all(figure.ok for figure in measured) else 1


sys.exit(main())
