"""TLS as the agent uses it: the broker's certificate is always checked, and there is no way around it.

Debian's MicroPython has a module tls and no ssl, OpenWrt's has both, and the builds without TLS have neither.
Only tls.SSLContext checks by itself: the frozen ssl module begins with CERT_NONE (ports/unix, MicroPython 1.23).
"""

import errno
from binascii import b2a_base64
from time import localtime

from ..core.errors import ConfigError

try:
    import tls
except ImportError:
    tls = None

AVAILABLE = tls is not None
CLOSED = "it closed the connection"
_ERRNO = {
    32: CLOSED,  # EPIPE
    errno.ECONNRESET: CLOSED,
    errno.ETIMEDOUT: "no answer",
    errno.ECONNREFUSED: "nothing listens there",
    errno.EHOSTUNREACH: "no route to it",
    101: "no route to it",  # ENETUNREACH, which no module here knows; on MIPS it is
    128: "no route to it",
}
_PEM = b"-----BEGIN CERTIFICATE-----\n"
_PEM_END = b"-----END CERTIFICATE-----\n"


def make(file):
    """A context that trusts the CAs in `file`, (what it is called, its bytes), PEM or DER. Raises ConfigError."""
    path, data = file
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    if b"-----BEGIN" not in data:  # DER; MicroPython 1.23 with mbedTLS 3.5 takes none, so it becomes PEM
        data = _PEM + b2a_base64(data) + _PEM_END
    try:
        context.load_verify_locations(data)
    except (ValueError, OSError):
        raise ConfigError("broker.ca: %s: not a certificate that can be used; allowed: PEM or DER" % path)
    return context


def bad_certificate(error, server_name):
    """What is wrong with it, and what it was compared with: a gateway that has just started may have its clock in the past."""
    return "%s (asked for %s, on %d-%02d-%02d by our clock)" % ((reason(error), server_name) + localtime()[:3])


def reason(error):
    """What a failed handshake or connection says, in one line."""
    what = error.args[-1] if error.args else "error"
    return _ERRNO.get(what, "error %d" % what) if isinstance(what, int) else " ".join(what.split())
