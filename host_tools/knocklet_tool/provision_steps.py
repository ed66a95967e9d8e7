"""The steps of a plan, one after the other. Each may be done again; one that fails ends it, and the next run goes on there."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import target_package
from .board_folder import Board
from .channel import LONG_S, Channel
from .errors import RefusedError, ToolError
from .gateway_files import CONFIG
from .output import Output
from .provision_plan import CLIENTS, INSTALLED, Plan

_RUNNING_S = 30


class Manager(NamedTuple):
    """How the system's own packages come and go, by the program that is there."""

    install: str
    remove: str


_MANAGERS = {
    "opkg": Manager("opkg install", "opkg remove"),
    "apk": Manager("apk add", "apk del"),
    "apt-get": Manager("DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends", "apt-get purge -y"),
}


def package_manager(there: list[str]) -> Manager | None:
    return next((manager for name, manager in _MANAGERS.items() if name in there), None)


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
    if plan.micropython or plan.package and plan.new:
        found.append(Step("fetching its lists of packages", lambda channel: _prepare(channel, wanted.package.format.prepare)))
    if plan.micropython:
        package = model.micropython.package
        found.append(Step(f"installing {package}", lambda channel: _micropython(channel, package, plan)))
    if plan.package:
        found.append(Step(f"installing {wanted.package.name}", lambda channel: target_package.install(channel, wanted.package)))
    for path in plan.files:
        found.append(Step(f"writing {path}", lambda channel, path=path: _write(channel, path, plan)))   # type: ignore[misc]
    if plan.start:
        found.append(Step("starting it", lambda channel: start(channel, wanted.board)))
    return found


def do(channel: Channel, todo: list[Step], output: Output) -> None:
    """Raises what a step raises, with what was done before it."""
    done: list[str] = []
    for step in todo:
        try:
            with output.working(step.title):
                step.do(channel)
        except ToolError as error:
            so_far = f"done so far: {', '.join(done)}" if done else "nothing was changed"
            raise type(error)(f"{error}; {so_far}; run it again to go on") from None
        done.append(step.title)


def _set_clock(channel: Channel) -> None:
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    channel.must("its clock", f"date -u -s '{text}' >/dev/null")


def _prepare(channel: Channel, command: str) -> None:
    channel.must(command, command, limit_s=LONG_S)


def _micropython(channel: Channel, package: str, plan: Plan) -> None:
    """Noted before it is there: `unprovision` then takes it off again."""
    manager = package_manager(plan.facts.managers)
    if manager is None:
        raise RefusedError(f"{channel.where}: no package manager fetches {package} there; install MicroPython by hand")
    if not plan.facts.micropython:
        channel.put(INSTALLED, f"{package}\n".encode(), 0o600)
    command = f"{manager.install} {package}"
    channel.must(command, command, limit_s=LONG_S)


def _write(channel: Channel, path: str, plan: Plan) -> None:
    mode, data = plan.wanted.files[path]
    channel.put(path, data, mode)
    if path == CONFIG and CLIENTS not in plan.wanted.files:
        channel.must(CLIENTS, f"rm -f {CLIENTS}")


def start(channel: Channel, board: Board) -> dict[str, Any]:
    """Anew where it runs. Returns the engine's status. Raises RefusedError when it does not stay."""
    service = board.model.service
    channel.must("flash", "sync")   # what was written is there after a power cut too
    channel.must(service.enable, service.enable)
    channel.must(service.restart, service.restart, limit_s=LONG_S)
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
