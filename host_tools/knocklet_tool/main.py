"""Builds the `knocklet` command. A new subcommand is one file and one line here. All errors end in `main` below."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from knocklet import VERSION

from . import board, broker, client, gateway, output, sequence, service
from .approve import approve, deny
from .arm import arm, disarm
from .close import close
from .collect import collect
from .config_history_list import history
from .confirm import confirm
from .diff import diff
from .errors import InputError, ToolError
from .grants import grants
from .init import init
from .knock import knock
from .lint import lint
from .log import log
from .open import open_
from .otp import otp
from .provision import provision
from .pull import pull
from .push import push
from .reload import reload
from .revoke import revoke
from .rollback import rollback
from .selftest import selftest
from .ssh_config import ssh_config
from .status import status
from .unprovision import unprovision
from .upgrade import upgrade
from .watch import watch


class _OneLineErrors(TyperGroup):
    """The command as typer makes it, but what goes wrong is one line on stderr and the exit code of errors.py."""

    def main(self, *args: Any, **extra: Any) -> None:
        try:
            sys.exit(super().main(*args, **extra | {"standalone_mode": False}))
        except ToolError as error:
            output.error(str(error))
            sys.exit(error.exit_code)
        except typer.TyperException as error:   # typer's own: an unknown option, a missing argument
            output.error(_one_line(error))
            sys.exit(InputError.exit_code)


def _one_line(error: typer.TyperException) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{text}; {context.command_path} --help tells more" if context else text


app = typer.Typer(
    name="knocklet",
    cls=_OneLineErrors,
    help="Opens the doors that Knocklet hides on a home router.",
    epilog="Exit codes: 0 done, 1 the service did not answer, 2 bad input, 3 nothing could be sent, 4 no broker, "
    "5 no answer of the gateway, 6 forged or stale, 7 the gateway refused, 8 no history, 130 Ctrl-C.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command("open")(open_)
for command in (
    init, lint, knock, otp, ssh_config, status, grants, watch, close, log, collect, unprovision,
    push, diff, confirm, rollback, history, pull,
    provision, upgrade,
    approve, deny, arm, disarm, revoke, reload, selftest,
):  # fmt: skip
    app.command()(command)
for group in (gateway, client, service, sequence, broker, board):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])


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
