"""What was typed beside gateway and service, and what it comes to: which kind of knock, over which families, tried or not."""

import socket
from dataclasses import dataclass

from knocklet.wire.steps import TCP

from . import fwknop_sender
from .client_description import ANY, FWKNOP, KINDS, OTP, PACKET, SPA, STATED, Client
from .errors import InputError
from .gateway_description import Service
from .resolve import FAMILY_NAMES, Target
from .spa_sender import read_stated

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True)
class Wish:
    """`op`: open, close or renew; `ttl_s`: 0 for the service's own; `families`: those that may be used."""

    client: str | None
    kind: str | None
    op: str
    ttl_s: int
    stated: str | None
    wait_s: float
    families: tuple[socket.AddressFamily, ...]
    source: Target | None

    def kind_for(self, client: Client) -> str:
        """The strongest that can do it. Raises InputError."""
        if self.kind is not None and self.kind not in client.kinds:
            raise InputError(f"--kind {self.kind!r}: client {client.name} has {', '.join(client.kinds)}")
        reasons = []
        for kind in [self.kind] if self.kind else [kind for kind in KINDS if kind in client.kinds]:
            reason = self._cannot(kind, client)
            if not reason:
                return kind
            reasons.append(reason)
        raise InputError(f"client {client.name}: {'; '.join(reasons)}")

    def _cannot(self, kind: str, client: Client) -> str:
        """Why not with this kind, or ""."""
        if kind == SPA:
            return ""
        if self.op != "open":
            return f"{kind} can only open"
        if kind == OTP:
            return "otp has no --ttl" if self.ttl_s else "otp has no --state" if self.stated else ""
        if self.source:
            return "fwknop has no --source"
        if client.source == STATED and not self.stated:
            return "fwknop states an address with --state only"
        return "" if fwknop_sender.is_installed() else "fwknop needs the program of this name; apt install fwknop-client"

    def stated_address(self, client: Client) -> bytes | None:
        """What it has to open for: 4 or 16 bytes; None when nothing was said. Raises InputError."""
        if self.stated is None:
            return None
        if client.source == PACKET:
            raise InputError(
                f"--state: client {client.name} opens for where its packets come from; allowed: source stated or any"
            )
        try:
            return read_stated(self.stated)
        except ValueError:
            raise InputError(f"--state {self.stated[:60]!r}: allowed: an address that packets can come from") from None

    def families_for(self, client: Client, service: Service, kind: str) -> tuple[socket.AddressFamily, ...]:
        """Those over which the knock can go. Raises InputError."""
        opens = {_FAMILIES[number] for number in service.families}
        if stated := self.stated_address(client):
            family = socket.AF_INET if len(stated) == 4 else socket.AF_INET6
            if family not in opens or kind == FWKNOP and family != socket.AF_INET:
                raise InputError(f"--state {self.stated}: {service.name} does not open for {FAMILY_NAMES[family]} by {kind}")
            opens = {family} if client.source == STATED else set(_FAMILIES.values())
        if kind == FWKNOP:
            opens &= {socket.AF_INET}   # all that the program can
        found = tuple(family for family in self.families if family in opens)
        if not found:
            names = " and ".join(sorted(FAMILY_NAMES[family] for family in opens)) or "nothing"
            raise InputError(f"{service.name} opens by {kind} over {names} only")
        return found

    def why_not_tried(self, client: Client, service: Service) -> str:
        """Why nobody finds out whether a service answers that was asked to open, or ""."""
        if self.op != "open":
            return ""
        if service.one_shot:
            return f"Not tried: the first connection to {service.name} uses the grant up."
        if service.protocol != TCP:
            return f"Not tried: {service.name} is a UDP service, and may say nothing to a stranger."
        if client.source == ANY and self.stated:
            return f"Not tried: it opens for {self.stated}."
        return ""
