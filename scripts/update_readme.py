"""Puts what was really seen into README.md: the demo's output and the figures of build/bench.json. `make readme` runs it.

    update_readme.py demo      runs the demo and shows its output
    update_readme.py figures   shows the figures that `make bench` wrote last, and those that it did not measure as before
"""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

SHOWN = (  # of what was measured beside, the rest is in bench.json
    "kernel rules", "knockd", "fwknopd", "300 ms", "1 s", "plain", "without", "ipset", "nft", "A/A ipset", "A/A nft",
)  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent


def put(name, text):
    """Replace what stands between the two comments of `name` in README.md."""
    readme = ROOT / "README.md"
    block = re.compile(rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    old = readme.read_text()
    if not block.search(old):
        sys.exit(f"README.md has no block '{name}'")
    readme.write_text(block.sub(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", old))


def demo():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo.py")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"the demo failed:\n{done.stdout}{done.stderr}")
    put("demo", f"```\n{done.stdout.strip(chr(10))}\n```")


def number(value):
    if isinstance(value, float):
        if 0.99 < value < 1:   # of a ratio the rest counts
            return str(value)
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def kept(names):
    """The lines of figures that are in README.md already and are none of these names, under the day they were measured."""
    block = re.search(r"<!-- figures:.*?<!-- /figures -->", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    found = {}
    rows = []
    for line in block.splitlines():
        if day := re.match(r"Measured on (\d+-\d+-\d+)", line):
            rows = found.setdefault(day[1], [])
        elif (row := re.match(r"\| `(\w+)`", line)) and row[1] not in names:
            rows.append(line)
    return {day: lines for day, lines in found.items() if lines}


def figures():
    path = ROOT / "build" / "bench.json"
    day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    table = ["| figure | Knocklet | target | others, same run | |", "|---|---|---|---|---|"]
    lines = [f"Measured on {day}, on a virtual machine with two cores.", "", *table]
    measured = json.loads(path.read_text())
    for row in measured:
        peers = ", ".join(f"{peer} {number(value)}" for peer, value in row["peers"].items() if peer in SHOWN)
        reached = "reached" if row["ok"] else "**missed**"
        unit = f" {row['unit']}" if row["unit"] else ""
        lines.append(f"| `{row['name']}` | {number(row['value'])}{unit} | {row['target']} | {peers} | {reached} |")
    for before, rows in kept({row["name"] for row in measured}).items():
        lines += ["", f"Measured on {before}, likewise, in runs of their own.", "", *table, *rows]
    put("figures", "\n".join(lines))


if __name__ == "__main__":
    commands = {"demo": demo, "figures": figures}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]]()
