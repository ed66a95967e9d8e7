"""Clients with keys, and packets of theirs with every field open to be made wrong: written from the format's description."""

from struct import pack

from knocklet.core.clients import Client
from knocklet.core.services import Service
from knocklet.wire.hmac import hmac, keystream, xor
from knocklet.wire.keys import ClientKeys

GATEWAY = "home"
NOW_US = 1_795_454_680_123_456
MINUTE_US = 60_000_000
SLOT = NOW_US // MINUTE_US
OPEN, CLOSE, RENEW = 1, 2, 3
PACKET_SOURCE = 1
IV = bytes(range(16))


def service(index, port=22):
    """As the policy reads one, with ttl 30."""
    made = Service()
    made.index, made.name, made.protocol, made.port = index, "service-%d" % index, 6, port
    made.to = made.to6 = None
    made.to_port = made.to6_port = 0
    made.masquerade = made.one_shot = made.cut = made.approval = False
    made.ttl_s, made.idle_s, made.max_s, made.families = 30, 0, 0, (4, 6)
    return made


def client(number, services=(), source="packet", issued_us=0, keys=None):
    """Of kinds spa and otp. number: its key is made of it."""
    made = Client()
    made.name = "client-%d" % number
    made.kinds = ["spa", "otp"]
    made.source = source
    made.issued_us = issued_us
    made.services = list(services)
    made.keys = keys or ClientKeys(pack(">I", number + 1) * 8, GATEWAY)
    made.fingerprint = made.keys.fingerprint
    made.fwknop = made.fwknop_fingerprint = None
    return made


def packet(of, op=OPEN, service=1, stamp_us=NOW_US, source=None, flags=None, ttl_s=0, version=1, slot=None):
    """Of this client. source: 16 bytes, None for the packet's own; flags, slot: other than what is right."""
    if flags is None:
        flags = PACKET_SOURCE if source is None else 0
    fields = (version, op, flags, service, ttl_s, stamp_us, source or bytes(16))
    return sealed(of, pack(">BBBBIQ16s", *fields), stamp_us // MINUTE_US if slot is None else slot)


def sealed(of, plaintext, slot):
    """Any 32 bytes, with what only this client can put around them."""
    head = pack(">I", slot)
    head += hmac(of.keys.tag, b"tag1", head)[:4] + IV
    head += xor(plaintext, keystream(of.keys.enc, IV, 32))
    return head + hmac(of.keys.mac, b"spa1", of.keys.gateway_id, head)
