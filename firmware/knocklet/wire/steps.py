"""A step of a port sequence as text: `7000/tcp`, `7000/udp`; `7000` is TCP."""

TCP = 6
UDP = 17
_PROTOCOLS = {"tcp": TCP, "udp": UDP}
_DIGITS = "0123456789"


def parse_port(text):
    """The port 1-65535 written in `text` in plain digits. Raises ValueError."""
    if 0 < len(text) <= 5 and all(c in _DIGITS for c in text) and text[0] != "0" and int(text) <= 65535:
        return int(text)
    raise ValueError("port %r: allowed: 1-65535" % text[:20])


def parse_step(text):
    """(protocol, port) of a step; protocol is TCP or UDP. Raises ValueError."""
    port, slash, protocol = text.partition("/")
    if slash and protocol not in _PROTOCOLS:
        raise ValueError("protocol %r: allowed: tcp, udp" % protocol[:20])
    return _PROTOCOLS[protocol] if slash else TCP, parse_port(port)


def format_step(protocol, port):
    """The text of a step, protocol always named: what parse_step reads back."""
    return "%d/%s" % (port, "udp" if protocol == UDP else "tcp")
