"""A knock from a computer outside that ssh reaches: it sends what was sealed here, and tries the service before and after.

No key gets there, only the one packet, which opens for that computer's address and once.
"""

import os
import shlex

from knocklet.wire import spa_packet
from knocklet.wire.steps import TCP

from . import clients
from .channel import Channel
from .channel_ssh import SshChannel
from .client_description import PACKET, SPA, Client
from .errors import InputError
from .gateway_description import GatewayDescription, Service
from .gateway_file import GatewayFile
from .output import Output
from .provision_report import DoneReport
from .stamps import next_stamp

_TIMES = 3
_OPEN = "open"
_ANSWERS = _OPEN, "closed"
_PROGRAM = """\
import socket, sys, time
host, knocks, port, family = sys.argv[1], *map(int, sys.argv[2:])
packet = sys.stdin.buffer.read()
family, _, _, _, to = socket.getaddrinfo(host, knocks, {4: 2, 6: 10}.get(family, 0), socket.SOCK_DGRAM)[0]
def look(wait_s):
    with socket.socket(family) as tried:
        tried.settimeout(wait_s)
        return "closed" if tried.connect_ex((to[0], port, *to[2:])) else "open"
print(look(1.5))
socket.socket(family, socket.SOCK_DGRAM).sendto(packet, to)
end = time.monotonic() + 3
while (found := look(0.5)) == "closed" and time.monotonic() < end:
    time.sleep(0.05)
print(found)
"""


def knock_from(report: DoneReport, file: GatewayFile, where: str, output: Output) -> bool:
    """Did it open? Raises InputError, NetworkError, RefusedError."""
    store = clients.load()
    gateway = store.gateway(file.name)
    client, service = _chosen(store, gateway, file)
    with SshChannel(where) as channel, output.working(f"knocking from {where}"):
        for number in range(_TIMES):
            before, after = _knock(channel, client, gateway, service)
            if before == _OPEN and not number:
                report.warnings.append(f"{service.name} answers {where} without a knock, or after an earlier one")
                return False
            if _OPEN in (before, after):
                report.proved.append(f"from {where} {service.name} was closed, and open after a knock of {client.name}")
                return True
    asked = f"is {gateway.host} the gateway, and its clock trusted?"
    report.warnings.append(f"{service.name} does not answer {where} after {client.name}'s knock; {asked}")
    return False


def _chosen(store: clients.Store, gateway: GatewayDescription, file: GatewayFile) -> tuple[Client, Service]:
    """A client that may open what can be tried. Raises InputError."""
    for client in store.clients.get(gateway.name, {}).values():
        for name in client.open if SPA in client.kinds and client.source == PACKET else ():
            service, asks = gateway.service(name), file.model.services[name].approval
            if service.protocol == TCP and not (service.one_shot or asks or service.families == (6,) and service.to6):
                return client, service
    raise InputError(f"--knock-from: nobody with signed knocks (spa) may open a service of {gateway.name} that can be tried")


def _knock(channel: Channel, client: Client, gateway: GatewayDescription, service: Service) -> tuple[str, str]:
    family = service.families[0] if len(service.families) == 1 or service.to6 else 0
    words = ["python3", "-c", _PROGRAM, gateway.host.strip("[]"), *map(str, (gateway.spa_port, service.port, family))]
    with next_stamp(client) as stamp_us:
        text = spa_packet.plaintext(spa_packet.OPEN, service.index, 0, stamp_us, None)
        packet = spa_packet.seal(client.keys(), os.urandom(spa_packet.IV_BYTES), text)
        said = channel.must("a knock from there, by python3", shlex.join(words), packet).text.split()
    if len(said) != 2 or any(each not in _ANSWERS for each in said):
        raise InputError(f"{channel.where}: it says {' '.join(said)[:60]!r}; allowed: what was asked, by its python3")
    return said[0], said[1]
