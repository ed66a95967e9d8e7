"""`knocklet rollback`: ends a trial; without one, the configuration before comes back as a new one."""

from . import config_history, in_force, settings
from .command_report import CommandReport
from .config_report import version_text
from .errors import GatewayError, InputError
from .options import Json, MaybeName, Wait
from .output import Output
from .push import DryRun, Yes, push_texts
from .sealed_request import WAIT_S, command


def rollback(
    name: MaybeName = None, dry_run: DryRun = False, yes: Yes = False, wait: Wait = WAIT_S, json: Json = False
) -> None:
    """Back to what was in force before. What was revoked stays revoked.

    knocklet rollback home
    """
    stored = settings.load()
    gateway = stored.gateway(name)
    output = Output(json)
    now = in_force.look(stored, [gateway], wait, output)[gateway.name].report
    if now is None:
        raise GatewayError(f"{gateway.name} has not said which configuration it has")
    if now.trial and not dry_run:
        data = command(stored.the_broker(), gateway, "rollback", {}, wait, output).data
        config_history.note(gateway.name, now.version, config_history.ROLLED_BACK)
        return output.result(CommandReport(gateway.name, f"the trial of {version_text(now.version)} has ended", data))
    text = config_history.before(gateway.name, now.sha256)
    if text is None:
        raise InputError(f"this computer has pushed nothing to {gateway.name} that was in force before; knocklet history tells")
    push_texts(stored, [(gateway, text)], "push?", dry_run, yes, None, True, wait, output, json)
    output.remark(f"The file of {gateway.name} is as it was: knocklet diff {gateway.name}")
