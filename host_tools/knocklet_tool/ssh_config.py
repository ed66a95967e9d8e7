"""`knocklet ssh-config`: the lines for ~/.ssh/config that make plain `ssh home` knock first.

ssh runs what `Match exec` names while it reads its configuration, before it connects; scp, rsync and git do it by it. Where
nothing answered, ssh is given a way that ends at once: at the address it would wait.
"""

import os
import shlex
import shutil
import sys

from knocklet.wire.steps import TCP

from . import clients, output
from .errors import InputError
from .gateway_description import GatewayDescription
from .gateway_description import Service as AnyService
from .options import Described, MaybeClient, MaybeService
from .output import Output

_USUAL = "ssh"
_TIMEOUT_S = 10   # for services that nobody tries


def ssh_config(gateway: Described, service: MaybeService = None, client: MaybeClient = None) -> None:
    """Print the lines for ~/.ssh/config that make plain `ssh home` knock first; for another service than ssh, `ssh home-NAME`.

    knocklet ssh-config home >>~/.ssh/config
    """
    store = clients.load()
    at = store.gateway(gateway)
    wanted = at.service(service or _usual(at))
    if wanted.protocol != TCP:
        raise InputError(f"{wanted.name} is a UDP service; allowed: one that speaks SSH over TCP")
    store.client_of(at.name, client).check_may_open(wanted.name)
    name = at.name if wanted.name == _USUAL else f"{at.name}-{wanted.name}"
    knock = [_program(), "knock", at.name, wanted.name, "--quiet", *(["--client", client] if client else [])]
    for line in _lines(name, at.host, wanted, shlex.join(knock).replace("%", "%%")):   # ssh would put something in for %h
        output.line(line)
    Output().remark("At the end of ~/.ssh/config: what comes after a Match belongs to it.")


def _lines(name: str, host: str, service: AnyService, knock: str) -> list[str]:
    port = service.port
    family = []
    if service.families == (6,) and service.to6:   # a device with an address of its own
        host, port = service.to6
    elif len(service.families) == 1 or service.to6:
        family = [f"    AddressFamily {'inet' if 4 in service.families else 'inet6'}"]
    return [
        f"Host {name}",
        f"    HostName {host}",
        f"    Port {port}",
        *family,
        f"    ConnectTimeout {_TIMEOUT_S}",
        f'Match originalhost {name} !exec "{knock}"',
        f"""    ProxyCommand sh -c "echo 'knocklet: {name} does not answer' >&2\"""",
    ]


def _usual(gateway: GatewayDescription) -> str:
    found = [service.name for service in gateway.services.values() if service.protocol == TCP]
    if _USUAL in found or len(found) != 1:
        return _USUAL
    return found[0]


def _program() -> str:
    """This command, also for those who do not have it on their PATH."""
    found = shutil.which(sys.argv[0])
    return os.path.abspath(found) if found else "knocklet"
