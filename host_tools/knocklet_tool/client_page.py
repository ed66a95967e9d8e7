"""`knocklet client page`: a web page that knocks, in one file for a phone or any other browser.

It holds what one-time sequences need (the otp key, of which no other key follows), sealed under a passphrase. Its program is
host_tools/page/; make build puts it into page.html, the template here.
"""

import hashlib
import json
import re
import secrets
from base64 import b64encode
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from knocklet.wire.keys import otp_key
from knocklet.wire.steps import TCP

from . import clients, passphrase, places, sealed_box
from .client_description import OTP
from .errors import InputError
from .gateway_description import GatewayDescription, Otp, Service
from .options import ClientName, MaybeDescribed
from .output import Output
from .page_links import links, url_host
from .resolve import check_host

_TEMPLATE = Path(__file__).with_name("page.html")
_LOWEST = 10_081   # browsers have a list of ports that they never go to, and this is above the last of them
_WEB = "http://", "https://"
# What a Content Security Policy can name. It cannot name addresses.
_HOST_NAME = re.compile(r"(?!.*\.[0-9]+$)[A-Za-z0-9.-]+")
_ORIGIN = re.compile(r"https?://(?P<host>[A-Za-z0-9.-]+)(:[0-9]+)?(?=[/?#]|$)")

_Output = Annotated[Path, typer.Option(metavar="FILE", help="The page, such as home.html. What was there is replaced.")]
_Host = Annotated[str | None, typer.Option(metavar="HOST", help="Another name or address of the gateway, for this page.")]
_Links = Annotated[
    list[str] | None, typer.Option("--link", metavar="SERVICE=URL", help="Where a browser finds it; may be repeated.")
]
_PassphraseFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="Take the passphrase from here (- for standard input) and do not ask.")
]


def page(
    name: ClientName,
    output: _Output,
    gateway: MaybeDescribed = None,
    host: _Host = None,
    link: _Links = None,
    passphrase_file: _PassphraseFile = None,
) -> None:
    """Write a web page that knocks for a client of kind otp. It works from a file, without a server.

    knocklet client page anna --output home.html
    """
    client, at = clients.find(name, gateway)
    if OTP not in client.kinds:
        raise InputError(f"client {name} is not of kind otp; allowed: one that was made with --kind otp")
    assert client.key
    check_otp(at.otp)
    if host is not None:
        check_host(host)
    services = [at.service(service) for service in client.open]
    at_host = host or at.host
    where = links(at_host, services, link or [])
    try:
        template = _TEMPLATE.read_text()
    except OSError as error:
        raise InputError(f"{_TEMPLATE}: {error.strerror}; make build makes it") from error
    text = filled(template, at, at_host, services, where, otp_key(client.key, at.name), passphrase.read(passphrase_file))
    places.write(output, text.encode())
    told = Output()
    told.message(f"{output} knocks for {client.name} at {at_host}: {', '.join(client.open)}. It asks for the passphrase.")
    for service in services:
        # A slot opens for one address: over IPv6, where the link does not lead.
        if service.to and service.to6 and _HOST_NAME.fullmatch(at_host):
            told.message(
                f"{service.name} has an IPv6 address of its own: if {at_host} has addresses of both kinds, "
                "give the page a name with IPv4 alone (--host)."
            )
    told.remark("Whoever has the file can try passphrases on it, as fast as his machine goes.")


def check_otp(otp: Otp) -> None:
    """Can a browser send these sequences? Raises InputError."""
    if otp.protocol != TCP:
        raise InputError("the gateway's otp.protocol is udp; allowed for a page: tcp, a browser sends nothing else")
    if otp.low < _LOWEST:
        raise InputError(f"the gateway's otp.low is {otp.low}; allowed for a page: {_LOWEST}-65535, browsers refuse some below")


def filled(
    template: str,
    at: GatewayDescription,
    host: str,
    services: list[Service],
    where: dict[str, str | None],
    key: bytes,
    passphrase: str,
) -> str:
    """The page. host: the gateway's, for this page; where: links, by service; key: the client's otp key."""
    content = {
        "host": url_host(host),
        "key": key.hex(),
        "otp": {"count": at.otp.count, "low": at.otp.low, "high": at.otp.high},
        "services": [_service(service, where[service.name]) for service in services],
    }
    box = sealed_box.seal(json.dumps(content).encode(), passphrase, secrets.token_bytes(sealed_box.SALT_BYTES))
    policy = _policy(template, host, [link for link in where.values() if link])
    values = {"POLICY": policy, "GATEWAY": at.name, "SEALED": b64encode(box).decode()}
    return re.sub("@(%s)@" % "|".join(values), lambda found: escape(values[found[1]], quote=True), template)


def _service(service: Service, link: str | None) -> dict[str, str | int | bool | None]:
    """`ask`: may the page try whether it answers? Of a one-shot service that would be its one connection."""
    ask = link is not None and link.startswith(_WEB) and not service.one_shot
    return {"name": service.name, "index": service.index, "link": link, "ask": ask}


def _policy(template: str, host: str, links: list[str]) -> str:
    """Only this script and this style; requests to the gateway alone, and nothing from anywhere."""
    origins = [_ORIGIN.match(link) for link in links if link.startswith(_WEB)]
    others = {origin[0]: origin["host"] for origin in origins if origin and origin["host"] != host}
    goals = [f"http://{host}:*", *others]   # http stands for https, too
    if not all(origins) or not all(_HOST_NAME.fullmatch(name) for name in (host, *others.values())):
        goals = ["http:", "https:"]
    allowed = {
        "default-src": "'none'",
        "script-src": _digest(template, "script"),
        "style-src": _digest(template, "style"),
        "connect-src": " ".join(goals),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{what} {value}" for what, value in allowed.items())


def _digest(template: str, tag: str) -> str:
    """Of the one element without attributes, as a policy names it."""
    found = re.search(f"<{tag}>(.*?)</{tag}>", template, re.DOTALL)
    assert found, tag
    return f"'sha256-{b64encode(hashlib.sha256(found[1].encode()).digest()).decode()}'"
