"""A signed packet that the gate found worth it: is it a client's, and what does it ask for?"""

from ..wire import spa_packet
from ..wire.addresses import is_unicast
from . import verdict
from .request import OPS, Request


def author(clients, packet):
    """The one of these clients that made the packet (88 bytes) for this gateway, or None."""
    for client in clients:
        if spa_packet.is_from(client.keys, packet):
            return client
    return None


def read(client, packet, sender):
    """(PARSED, Request) of a packet that its author() made, or (why not, None). sender: its source address."""
    version, op, flags, index, ttl_s, stamp_us, source = spa_packet.fields(spa_packet.decrypted(client.keys, packet))
    if version != spa_packet.VERSION:
        return verdict.BAD_VERSION, None
    if op not in OPS:
        return verdict.BAD_OP, None
    if flags & ~spa_packet.PACKET_SOURCE:
        return verdict.BAD_FLAGS, None
    stated = not flags
    address = spa_packet.unmapped(source) if stated else sender
    if not is_unicast(address) if stated else source != spa_packet.NO_SOURCE:
        return verdict.BAD_SOURCE_FIELD, None
    if stamp_us // spa_packet.MINUTE_US != int.from_bytes(packet[:4], "big"):
        return verdict.BAD_SLOT, None
    services = [service for service in client.services if service.index == index]
    return verdict.PARSED, Request(client, op, services, ttl_s, stamp_us, address, stated)
