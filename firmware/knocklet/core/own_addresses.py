"""The addresses of one interface: a packet to any other destination is passing through, not knocking.

Source: PACKET_HOST (packet(7)) says that the frame was for this machine, which a forwarded packet's is too.
"""

_LIMIT = 32  # addresses of one interface; what is beyond is counted and not listened for


class OwnAddresses:
    def __init__(self):
        self._ipv4 = b""  # 4 bytes each, one after the other
        self._ipv6 = b""  # 16 bytes each
        self.left_out = 0

    def set(self, addresses):
        """Listen for these: an iterable of 4- or 16-byte addresses."""
        ipv4 = [bytes(a) for a in addresses if len(a) == 4]
        ipv6 = [bytes(a) for a in addresses if len(a) == 16]
        self.left_out = max(0, len(ipv4) - _LIMIT) + max(0, len(ipv6) - _LIMIT)
        self._ipv4 = b"".join(ipv4[:_LIMIT])
        self._ipv6 = b"".join(ipv6[:_LIMIT])

    def has(self, frame, at, count):
        """Is the address of `count` bytes (4 or 16) at `frame[at:]` one of them? Hot: allocates nothing."""
        own = self._ipv4 if count == 4 else self._ipv6
        start = 0
        while start < len(own):
            i = count - 1  # from the end: addresses of one interface differ there
            while i >= 0 and own[start + i] == frame[at + i]:
                i -= 1
            if i < 0:
                return True
            start += count
        return False
