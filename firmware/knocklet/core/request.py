"""What an authentic packet asks for, of whatever kind it was."""

from ..wire.spa_packet import CLOSE, OPEN, RENEW

OPS = (OPEN, CLOSE, RENEW)


class Request:
    """client: core.clients.Client; op: OPEN, CLOSE or RENEW; services: list of Service; ttl_s: seconds wanted, 0 for the
    service's own; stamp_us: when it was made; address: 4 or 16 bytes, for which it is; stated: it is named in the packet.
    content: of fwknop, whose stamps are whole seconds, 8 bytes that tell packets of one second apart; else None.
    """

    content = None

    def __init__(self, client, op, services, ttl_s, stamp_us, address, stated):
        self.client = client
        self.op = op
        self.services = services
        self.ttl_s = ttl_s
        self.stamp_us = stamp_us
        self.address = address
        self.stated = stated
