"""The steps of a plan, one after the other. Each may be done again; one that fails ends it, and the next run goes on there."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import target_package
from .board_folder import Board
from .channel import LIMIT_S, LONG_S, PRIVATE, Channel
from .errors import RefusedError, ToolError
from .output import Output
from .provision_plan import CLIENTS, INSTALLED, Plan
from .target_files import CONFIG, FOLDER
from .target_manager import package_manager

_BEFORE = f"{PRIVATE}/configuration"   # the one that was in force
_RUNNING_S = 30
RESTART_S = 240.0   # what starting its services may take
RUNNING_S = 4.0 * _RUNNING_S + LIMIT_S   # what wait_for_engine takes at most


@dataclass
class Step:
    """`title`: what is being done, as a person reads it."""

    title: str
    do: Callable[[Channel], Any]


def steps(plan: Plan) -> list[Step]:
    """In their order: what comes later needs what came before."""
    wanted = plan.wanted
    model = wanted.board.model
    found = []
    if plan.clock:
        found.append(Step("setting its clock", _set_clock))
    prepare = wanted.package.format.prepare
    if plan.micropython:
        package = model.micropython.package
        found.append(Step("fetching its lists of packages", lambda channel: channel.must(prepare, prepare, limit_s=LONG_S)))
        found.append(Step(f"installing {package}", lambda channel: _micropython(channel, package, plan)))
    if plan.package:
        found.append(Step(f"installing {wanted.package.name}", lambda channel: _package(channel, plan)))
    if CONFIG in plan.files:
        found.append(Step("trying its configuration", lambda channel: _try(channel, plan)))
    for path in plan.files:
        found.append(Step(f"writing {path}", lambda channel, path=path: _write(channel, path, plan)))   # type: ignore[misc]
    if plan.start:
        found.append(Step("starting it", lambda channel: _start(channel, plan)))
    return found


def do(channel: Channel, todo: list[Step], output: Output) -> None:
    """Raises what a step raises, with what was done before it."""
    done: list[str] = []
    for step in todo:
        try:
            with output.working(step.title):
                step.do(channel)
        except ToolError as error:
            so_far = f"done so far: {', '.join(done)}" if done else "nothing was done before"
            raise type(error)(f"{error}; {so_far}; run it again to go on") from None
        done.append(step.title)


def _set_clock(channel: Channel) -> None:
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    channel.must("its clock", f"date -u -s '{text}' >/dev/null")


def _micropython(channel: Channel, package: str, plan: Plan) -> None:
    """Noted before it is there: `unprovision` then takes it off again."""
    manager = package_manager(plan.facts.managers)
    assert manager   # looked at in the plan
    if not plan.facts.micropython:
        channel.put(INSTALLED, f"{package}\n".encode(), 0o600)
    command = f"{manager.install} {package}"
    channel.must(command, command, limit_s=LONG_S)


def _package(channel: Channel, plan: Plan) -> None:
    """Its lists may be missing, and with them what the package needs; a gateway that has all of it needs no Internet."""
    package = plan.wanted.package
    try:
        target_package.install(channel, package, plan.facts.version)
    except RefusedError as error:
        if plan.micropython or not plan.new or channel.run(package.format.prepare, limit_s=LONG_S).code:
            raise error
        target_package.install(channel, package, plan.facts.version)


def _try(channel: Channel, plan: Plan) -> None:
    """By the engine that is to read it, apart from what is in force."""
    folder = f"{PRIVATE}/try"
    for path in (CONFIG, CLIENTS):
        if path in plan.wanted.files:
            channel.put(f"{folder}/{path.rpartition('/')[2]}", plan.wanted.files[path][1], 0o600)
    interfaces = f" --interfaces {','.join(plan.facts.knocks)}" if plan.facts.knocks else ""
    check = f"/usr/lib/knocklet/start.sh engine --check --config {folder}/config.json{interfaces}"
    channel.must(CONFIG, f"{check}; code=$?; rm -rf {folder}; rmdir {PRIVATE} 2>/dev/null; exit $code")


def _write(channel: Channel, path: str, plan: Plan) -> None:
    mode, data = plan.wanted.files[path]
    if path == CONFIG and path in plan.facts.sha256:
        keep = f"umask 077; mkdir -p {_BEFORE} && cp -p {CONFIG} {_BEFORE}/ || exit"
        keep += f"; [ ! -e {CLIENTS} ] || cp -p {CLIENTS} {_BEFORE}/"
        channel.must(_BEFORE, keep)
    channel.put(path, data, mode)
    if path == CONFIG and CLIENTS not in plan.wanted.files:
        channel.must(CLIENTS, f"rm -f {CLIENTS}")


def _start(channel: Channel, plan: Plan) -> None:
    """With the configuration before where the engine does not stay with the new one."""
    board, there = plan.wanted.board, f"[ -e {_BEFORE}/config.json ]"
    try:
        start(channel, board)
    except RefusedError as error:
        if CONFIG not in plan.files or channel.run(there).code:
            raise
        back = f"mv -f {_BEFORE}/* {FOLDER}/ && rmdir {_BEFORE} || exit; rmdir {PRIVATE} 2>/dev/null; :"
        channel.must("the configuration before", back)
        restart(channel, board)
        raise RefusedError(f"{error}; with the configuration before it runs again") from None
    channel.must(_BEFORE, f"rm -rf {_BEFORE}; rmdir {PRIVATE} 2>/dev/null; :")


def start(channel: Channel, board: Board) -> dict[str, Any]:
    """Anew where it runs. Returns the engine's status. Raises RefusedError when it does not stay."""
    service = board.model.service
    channel.must(service.enable, service.enable)
    return restart(channel, board)


def restart(channel: Channel, board: Board) -> dict[str, Any]:
    """As start(), where its owner has said whether it starts at boot."""
    command = board.model.service.restart
    channel.must("flash", "sync")   # what was written is there after a power cut too
    channel.must(command, command, limit_s=RESTART_S)
    return wait_for_engine(channel, board)


def wait_for_engine(channel: Channel, board: Board) -> dict[str, Any]:
    """Its status, as soon as it answers. Raises RefusedError when it does not."""
    asked = f"{{ {board.model.service.running}; }} >/dev/null 2>&1 && knockletctl --json status 2>/dev/null"
    script = f"n=0; until {asked}; do n=$((n+1)); [ $n -lt {_RUNNING_S} ] || break; sleep 1; done; [ $n -lt {_RUNNING_S} ]"
    done = channel.run(script, limit_s=4.0 * _RUNNING_S)
    try:
        found = json.loads(done.text.strip().splitlines()[-1])
        if done.code == 0 and type(found) is dict:
            return found
    except (ValueError, IndexError, RecursionError):
        pass
    why = channel.run("exec 2>&1; knockletctl status").last_line
    raise RefusedError(f"{channel.where}: the engine does not run {_RUNNING_S} s after its start: {why}; its log tells more")
