"""One-time port sequences (`otp`): the ports of one client, service and slot (design: wire formats, version 1, section 3)."""

from struct import pack

from .hmac import hmac

# A slot: unix seconds // 30. Gateway and host have stored such numbers: another length would need another `what` in the one's
# store and another file of the other's, or all that is new would count as used.
SLOT_S = 30
SLOT_US = 1_000_000 * SLOT_S
COUNT, LOW, HIGH = 6, 20000, 59999  # unless the policy says otherwise
SLOTS_VALID = 1  # so many before and after the present one are valid too


def otp_ports(key, service, slot, count=COUNT, low=LOW, high=HIGH):
    """`count` distinct ports in low..high, in the order of knocking. key: the client's otp key."""
    span = high - low + 1
    limit = 65536 - 65536 % span
    ports = []
    block = 0
    while True:
        data = hmac(key, b"otp1", pack(">BQI", service, slot, block))
        for i in range(0, len(data), 2):
            value = data[i] << 8 | data[i + 1]
            port = low + value % span
            if value < limit and port not in ports:
                ports.append(port)
                if len(ports) == count:
                    return ports
        block += 1
