"""Builds the `knocklet` command. A new subcommand is one file and one line here. All errors end in `main` below."""

import sys
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from knocklet import VERSION

from . import output
from .errors import InputError, ToolError

# Module and function of each, or its `app` with commands of their own. Read when one is asked for: no command waits for what
# the others need.
_COMMANDS = {
    "open": "open.open_",
    "init": "init.init",
    "lint": "lint.lint",
    "knock": "knock.knock",
    "otp": "otp.otp",
    "ssh-config": "ssh_config.ssh_config",
    "status": "status.status",
    "grants": "grants.grants",
    "watch": "watch.watch",
    "close": "close.close",
    "log": "log.log",
    "collect": "collect.collect",
    "unprovision": "unprovision.unprovision",
    "push": "push.push",
    "diff": "diff.diff",
    "confirm": "confirm.confirm",
    "rollback": "rollback.rollback",
    "history": "config_history_list.history",
    "pull": "pull.pull",
    "provision": "provision.provision",
    "upgrade": "upgrade.upgrade",
    "approve": "approve.approve",
    "deny": "approve.deny",
    "arm": "arm.arm",
    "disarm": "arm.disarm",
    "revoke": "revoke.revoke",
    "reload": "reload.reload",
    "selftest": "selftest.selftest",
    "gateway": "gateway.app",
    "client": "client.app",
    "service": "service.app",
    "sequence": "sequence.app",
    "broker": "broker.app",
    "board": "board.app",
}


class _Commands(TyperGroup):
    """The commands as typer makes them, but what goes wrong is one line on stderr and the exit code of errors.py."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = dict.fromkeys(_COMMANDS)   # their names, for help and for what may have been meant

    def get_command(self, context: typer.Context, name: str) -> Any:
        return _command(name) if name in _COMMANDS else None

    def main(self, *args: Any, **extra: Any) -> None:
        try:
            sys.exit(super().main(*args, **extra | {"standalone_mode": False}))
        except ToolError as error:
            output.error(str(error))
            sys.exit(error.exit_code)
        except typer.TyperException as error:   # typer's own: an unknown option, a missing argument
            output.error(_one_line(error))
            sys.exit(InputError.exit_code)


@cache
def _command(name: str) -> Any:
    module, _, attribute = _COMMANDS[name].partition(".")
    found = getattr(import_module(f".{module}", __package__), attribute)
    alone = typer.Typer()
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name)
    else:
        alone.command(name)(found)
    return typer.main.get_group(alone).commands[name]


def _one_line(error: typer.TyperException) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{text}; {context.command_path} --help tells more" if context else text


app = typer.Typer(
    name="knocklet",
    cls=_Commands,
    help="Opens the doors that Knocklet hides on a home router.",
    epilog="Exit codes: 0 done, 1 the service did not answer, 2 bad input, 3 nothing could be sent, 4 no broker, "
    "5 no answer of the gateway, 6 forged or stale, 7 the gateway refused, 8 no history, 130 Ctrl-C.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        output.line(f"knocklet {VERSION}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        raise InputError("which command? knocklet --help lists them")


def main() -> None:
    app(prog_name="knocklet")
