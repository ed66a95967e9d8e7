"""`knocklet client fwknoprc`: a client of kind fwknop, as existing fwknop programs read it."""

from . import clients, output
from .client_description import FWKNOP, STATED, Client, Fwknop
from .errors import InputError
from .gateway_description import GatewayDescription
from .options import ClientName, MaybeDescribed


def fwknoprc(name: ClientName, gateway: MaybeDescribed = None) -> None:
    """Write the stanza for ~/.fwknoprc into a pipe or a file; `fwknop -n home` then knocks. It is a secret.

    knocklet client fwknoprc oldphone >>~/.fwknoprc
    """
    client, at = clients.find(name, gateway)
    output.secret(stanza(client, at).encode())


def keys_of(client: Client) -> Fwknop:
    """Raises InputError."""
    if client.fwknop is None:
        raise InputError(f"client {client.name} has no fwknop keys; knocklet client add NAME --kind {FWKNOP} makes some")
    return client.fwknop


def access(client: Client, gateway: GatewayDescription) -> str:
    """The ports of all that it may open, as fwknop writes them: tcp/22,tcp/8080."""
    services = [gateway.service(name) for name in client.open]
    return ",".join("%s/%d" % (service.protocol_name, service.port) for service in services)


def stanza(client: Client, gateway: GatewayDescription) -> str:
    keys = keys_of(client).as_json()
    fields = {
        "SPA_SERVER": gateway.host,
        "SPA_SERVER_PORT": str(gateway.fwknop_port),
        "ACCESS": access(client, gateway),
        "KEY_BASE64": keys["key"],
        "USE_HMAC": "Y",
        "HMAC_KEY_BASE64": keys["hmac_key"],
        "HMAC_DIGEST_TYPE": keys["hmac"].upper(),
    }
    if client.source != STATED:   # else `fwknop -a ADDRESS`: its own way to find one out asks a stranger's web server
        fields["ALLOW_IP"] = "source"
    return f"[{gateway.name}]\n" + "".join(f"{key:19} {value}\n" for key, value in fields.items())
