"""Takes Knocklet off a gateway: what it is made of, what it knows, its rules, and what was installed for it alone."""

import shlex

from . import target_package
from .board_folder import Board
from .channel import LONG_S, Channel
from .errors import RefusedError
from .provision_plan import INSTALLED
from .provision_steps import Step
from .target_facts import Facts
from .target_files import FOLDER
from .target_manager import package_manager
from .target_package import TargetPackage

_LIBRARY = "/usr/lib/knocklet"
_PLACES = FOLDER, _LIBRARY, "/var/run/knocklet", "/var/run/knocklet-agent", "/var/run/knocklet-agent.json"
_USERS = "/etc/passwd /etc/shadow /etc/group /etc/gshadow"


def steps(facts: Facts, board: Board, format_name: str, stays: list[str]) -> list[Step]:
    """In their order: what takes the rules away goes when they are gone, then secrets, and last what may be refused. Each may
    be done again. stays: there each tells of what it had to leave. Raises InputError.
    """
    model = board.model
    remove = model.package.formats[format_name].remove
    found = []
    if facts.there:
        service = model.service
        stop = f"{{ {service.stop}; }}; {{ {service.disable}; }}; ! {{ {service.running}; }}"
        rules = f"{_LIBRARY}/start.sh engine --uninstall"
        found.append(Step("stopping it", lambda channel: channel.must("it goes on running", stop, limit_s=LONG_S)))
        if facts.micropython:   # without it they stay until the next boot
            found.append(Step("removing its rules and sets", lambda channel: channel.must(rules, rules)))
        if facts.version:
            found.append(Step("removing its package", lambda channel: _package(channel, remove, facts)))
        else:   # an upgrade of the system has kept its files, and the package manager knows nothing of them
            package = target_package.make(board, format_name)
            found.append(Step("removing its files", lambda channel: _files(channel, package)))
    if facts.there or facts.sha256:
        found.append(Step("removing its keys, state and settings", lambda channel: _places(channel, board, facts)))
    if facts.installed:
        found.append(Step("removing what was installed for it", lambda channel: _installed(channel, facts, stays)))
    return found


def _package(channel: Channel, remove: str, facts: Facts) -> None:
    channel.must(remove, f"{remove}; code=$?\n{_note(facts)}exit $code", limit_s=LONG_S)


def _note(facts: Facts) -> str:
    """What was noted goes last: who comes again has to know it."""
    if not facts.installed:
        return ""
    return f"umask 077; mkdir -p {FOLDER}; printf '%s\\n' {' '.join(facts.installed)} >{INSTALLED}; "


def _files(channel: Channel, package: TargetPackage) -> None:
    script = 'while read -r path; do rm -f "$path" || exit; done'
    channel.must("files", script, "".join(f"{path}\n" for path in package.paths).encode())


def _installed(channel: Channel, facts: Facts, stays: list[str]) -> None:
    """What `provision` has noted; where something else needs it by now it stays."""
    manager = package_manager(facts.managers)
    for name in facts.installed if manager else ():
        command = f"{manager.remove} {name}"   # type: ignore[union-attr]
        try:
            channel.must(command, command, limit_s=LONG_S)
        except RefusedError as error:
            stays.append(f"{name} stays: {error}")
    channel.must(FOLDER, f"rm -rf {FOLDER}")


def _places(channel: Channel, board: Board, facts: Facts) -> None:
    settings = shlex.quote(board.model.paths.settings or "/dev/null/none")
    users = f"for each in {_USERS}; do grep -q ^knocklet: $each 2>/dev/null && sed -i /^knocklet:/d $each; done"
    gone = f"rm -rf {' '.join(_PLACES)}; rm -f {settings} {settings}-opkg {settings}.apk-new {settings}.dpkg-*"
    channel.must("files", f"{gone}\n{users}\nsync\n[ ! -e {_LIBRARY} ] && [ ! -e {FOLDER} ] || exit\n{_note(facts)}:")
