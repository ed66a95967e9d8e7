"""Draws docs/flow.svg: what happens to a packet, from the wire to the open port. `make readme` runs it."""

from pathlib import Path

STEPS = (
    ("kernel filter", "drops all but knocks", "core/filter.py", "kernel"),
    ("ring", "read in place", "edge/capture.py", "kernel"),
    ("packet", "parse, check", "core/packet.py", "core"),
    ("matcher", "who knocked how far", "core/matcher.py", "core"),
    ("grant", "who, for how long", "core/grants.py", "core"),
    ("set entry", "acknowledged", "edge/ipset.py, nft.py", "kernel"),
    ("event", "told once", "edge/events.py", "edge"),
)
COLOURS = {"kernel": "#d7e8f7", "core": "#dff2df", "edge": "#f7ecd2"}
WIDTH, HEIGHT, GAP, LEFT, TOP = 132, 74, 22, 16, 46


def box(number, title, what, file, where):
    x = LEFT + number * (WIDTH + GAP)
    middle = x + WIDTH / 2
    yield (f'<rect x="{x}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{COLOURS[where]}" stroke="#555"/>')
    yield f'<text x="{middle}" y="{TOP + 24}" class="title">{title}</text>'
    yield f'<text x="{middle}" y="{TOP + 43}">{what}</text>'
    yield f'<text x="{middle}" y="{TOP + 61}" class="file">{file}</text>'
    if number:
        y = TOP + HEIGHT / 2
        yield f'<path d="M{x - GAP + 2} {y} H{x - 4}" stroke="#555" marker-end="url(#arrow)"/>'


def drawing():
    width = LEFT * 2 + len(STEPS) * (WIDTH + GAP) - GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + 34}" font-family="sans-serif">',
        "<style>text{font-size:11px;text-anchor:middle;fill:#222}.title{font-size:14px;font-weight:bold}"
        ".file{font-size:10px;fill:#555}.note{text-anchor:start}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>',
        f'<rect width="{width}" height="{TOP + HEIGHT + 34}" fill="white"/>',
        f'<text x="{LEFT}" y="26" class="note">A knock, from the wire to the open port. '
        "Strangers end at the first box: nothing wakes, nothing answers.</text>",
    ]
    for number, step in enumerate(STEPS):
        parts.extend(box(number, *step))
    legend = "blue: in the kernel or its memory, green: decisions without I/O, yellow: the edge"
    parts.append(f'<text x="{LEFT}" y="{TOP + HEIGHT + 22}" class="note">{legend}</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / "docs" / "flow.svg"
    target.parent.mkdir(exist_ok=True)
    target.write_text(drawing())
    print(f"wrote {target.relative_to(target.parent.parent)}")
