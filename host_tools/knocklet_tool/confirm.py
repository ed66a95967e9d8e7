"""`knocklet confirm`: a configuration on trial stays."""

from knocklet.wire.topics import CONFIG

from . import config_history, settings
from .command_report import CommandReport
from .config_report import from_fields, version_text
from .errors import ForgedError, GatewayError, RefusedError
from .options import Json, MaybeName, Wait
from .output import Output
from .retained import ask
from .sealed_request import WAIT_S, command, hex_version

_LOOK_S = 3.0


def confirm(name: MaybeName = None, wait: Wait = WAIT_S, json: Json = False) -> None:
    """Keep the configuration that is on trial; without this it ends by itself.

    knocklet confirm home
    """
    stored = settings.load()
    gateway = stored.gateway(name)
    output = Output(json)
    kept = ask(stored, [gateway], (CONFIG,), min(wait, _LOOK_S), output)[0]
    report = from_fields(kept.fields(CONFIG))
    if report is None:
        if kept.only_forged:
            raise ForgedError(f"what the broker has of {gateway.name}'s configuration is not the gateway's word of now")
        raise GatewayError(f"{gateway.name} has not said which configuration it has")
    if not report.trial:
        raise RefusedError(f"nothing is on trial at {gateway.name}: {version_text(report.version)} is in force")
    data = command(stored.the_broker(), gateway, "confirm", {"version": hex_version(report.version)}, wait, output).data
    config_history.note(gateway.name, report.version, config_history.APPLIED)
    output.result(CommandReport(gateway.name, f"in force, {version_text(report.version)}", data))
