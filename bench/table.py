"""The table that people read."""

from rich.console import Console
from rich.table import Table

_WIDTH = 150  # where the output is not a terminal


def show(figures):
    table = Table(box=None, pad_edge=False)
    for title in ("figure", "measured", "to reach", "", "in the same run"):
        table.add_column(title, justify="right" if title == "measured" else "left")
    for figure in figures:
        peers = ", ".join(f"{name} {value:g}" for name, value in figure.peers.items())
        verdict = "[green]ok[/]" if figure.ok else "[red]missed[/]"
        table.add_row(figure.name, f"{figure.value:g} {figure.unit}".strip(), figure.target, verdict, peers)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)
