"""Takes Knocklet off a gateway: what it is made of, what it knows, its rules, and what was installed for it alone."""

import re
import shlex

from .board_folder import Board
from .channel import LONG_S, Channel
from .gateway_files import FOLDER
from .package_manager import package_manager
from .provision_plan import INSTALLED
from .provision_steps import Step
from .target_facts import Facts

_LIBRARY = "/usr/lib/knocklet"
_PLACES = FOLDER, _LIBRARY, "/var/run/knocklet", "/var/run/knocklet-agent", "/var/run/knocklet-agent.json"
_USERS = "/etc/passwd /etc/shadow /etc/group /etc/gshadow"
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,60}")


def steps(facts: Facts, board: Board, format_name: str) -> list[Step]:
    """In their order: what takes the rules away goes last but one, and secrets go with it. Each may be done again."""
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
            found.append(Step("removing its package", lambda channel: channel.must(remove, remove, limit_s=LONG_S)))
    if INSTALLED in facts.sha256:
        found.append(Step("removing what was installed for it", lambda channel: _installed(channel, facts)))
    if facts.there or facts.sha256:
        found.append(Step("removing its keys, state and settings", lambda channel: _places(channel, board)))
    return found


def _installed(channel: Channel, facts: Facts) -> None:
    """What `provision` has noted, and is still there."""
    names = channel.must(INSTALLED, f"cat {INSTALLED}").text.split()
    manager = package_manager(facts.managers)
    for name in names:
        if manager and _PACKAGE.fullmatch(name):
            command = f"{manager.remove} {name}"
            channel.must(command, command, limit_s=LONG_S)


def _places(channel: Channel, board: Board) -> None:
    settings = shlex.quote(board.model.paths.settings or "/dev/null/none")
    users = f"for each in {_USERS}; do grep -q ^knocklet: $each 2>/dev/null && sed -i /^knocklet:/d $each; done"
    gone = f"rm -rf {' '.join(_PLACES)}; rm -f {settings} {settings}-opkg {settings}.apk-new {settings}.dpkg-*"
    channel.must("files", f"{gone}\n{users}\nsync\n[ ! -e {_LIBRARY} ] && [ ! -e {FOLDER} ]")
