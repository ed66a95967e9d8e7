"""Where a browser goes when a service is open: guessed from its port, or told."""

import re

from knocklet.wire.steps import TCP

from .errors import InputError
from .gateway_description import Service

_SCHEMES = {22: "ssh", 80: "http", 443: "https", 8080: "http", 8443: "https"}
_OWN_PORTS = {"ssh": 22, "http": 80, "https": 443}
_LINK = re.compile(r"[a-z][a-z0-9+.-]{0,31}://[!-~]{1,500}")   # a web page's, or one that some app takes


def url_host(host: str) -> str:
    """As it stands in a link: an IPv6 address in brackets."""
    return f"[{host.strip('[]')}]" if ":" in host else host


def links(host: str, services: list[Service], told: list[str]) -> dict[str, str | None]:
    """By the services' names. told: SERVICE=URL. Raises InputError."""
    found = {service.name: _guess(host, service) for service in services}
    for text in told:
        name, equals, link = text.partition("=")
        if name not in found:
            raise InputError(f"--link {text[:60]!r}: allowed: SERVICE=URL, the service one of {', '.join(found)}")
        if not _LINK.fullmatch(link):
            raise InputError(f"--link {text[:60]!r}: allowed: {name}= and a link such as https://{url_host(host)}/")
        found[name] = link
    return found


def _guess(host: str, service: Service) -> str | None:
    scheme = _SCHEMES.get(service.port) if service.protocol == TCP else None
    if scheme is None:
        return None
    port = "" if service.port == _OWN_PORTS[scheme] else f":{service.port}"
    return f"{scheme}://{url_host(host)}{port}" + ("/" if scheme != "ssh" else "")
