"""The table that people read."""

from rich.console import Console
from rich.table import Table

_WIDTH = 150  # where the output is not a terminal


def show(figures):
    table = Table(box=None, pad_edge=False)
    for title, justify in (("figure", "left"), ("measured", "right"), ("to reach", "left"), ("", "left"), ("in the same run", "left")):
        table.add_column(title, justify=justify)
    for figure in figures:
        peers = ", ".join(f"{name} {value:g}" for name, value in figure.peers.items())
        verdict = "[green]ok[/]" if figure.ok else "[red]missed[/]"
        table.add_row(figure.name, f"{figure.value:g} {figure.unit}".strip(), figure.target, verdict, peers)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)
