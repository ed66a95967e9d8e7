"""`knocklet lint`: what is weak in the gateways' files, and what would lock their owner out."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from . import config_history, lint_rules, store_files, workspace
from .errors import FAILED_CHECK
from .gateway_file import GatewayFile, key_of
from .lint_rules import Warning
from .options import Group, Json, Names
from .output import Line, Output
from .toml_lines import line_of

_Strict = Annotated[bool, typer.Option("--strict", metavar=" ", help="End with 1 when there is something to warn of.")]


@dataclass
class LintReport:
    """`found`: by file, in the order of its lines."""

    found: dict[GatewayFile, list[tuple[int, Warning]]]

    @property
    def count(self) -> int:
        return sum(map(len, self.found.values()))

    def as_lines(self) -> list[Line]:
        lines: list[Line] = []
        for file, warnings in self.found.items():
            lines += [(f"{file.path}:{line}: {key_of(each.path)}{each.weak}; {each.do}", "yellow") for line, each in warnings]
            lines += [] if warnings else [(f"{file.path}: nothing to warn of", "")]
        return lines

    def as_json(self) -> dict[str, Any]:
        return {
            "warnings": [
                {"gateway": file.name, "file": str(file.path), "line": line, "key": key_of(each.path).rstrip(": "),
                 "weak": each.weak, "do": each.do}
                for file, warnings in self.found.items() for line, each in warnings
            ]
        }  # fmt: skip


def lint(names: Names = None, group: Group = None, strict: _Strict = False, json: Json = False) -> None:
    """Look for weak choices in the workspace, and for what would lock you out. Without a name, in all of it.

    knocklet lint home --strict
    """
    files = workspace.chosen(names or [], not names and group is None, group)
    secrets = store_files.read().secrets
    report = LintReport({file: _warnings(file, secrets.get(file.name, {})) for file in files})
    Output(json).result(report)
    if strict and report.count:
        raise typer.Exit(FAILED_CHECK)


def _warnings(file: GatewayFile, secrets: dict[str, Any]) -> list[tuple[int, Warning]]:
    found = lint_rules.warnings(file, secrets, config_history.last(file.name))
    return sorted(((line_of(file.text, each.path), each) for each in found), key=lambda pair: pair[0])
