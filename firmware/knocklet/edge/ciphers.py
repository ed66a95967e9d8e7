"""What fwknop's packets need and not every MicroPython has: MD5, SHA-1, AES. A build without TLS has none of them."""

import hashlib

try:
    from cryptolib import aes
except ImportError:
    aes = None

_CBC = 2  # builds need not name it


def _digest(name):
    """bytes -> digest, or None where it is missing."""
    algorithm = getattr(hashlib, name, None)
    return algorithm and (lambda data: algorithm(data).digest())


md5 = _digest("md5")
sha1 = _digest("sha1")


def aes_cbc_decrypt(key, iv, data):
    """key: 32 bytes; iv: 16; data: whole blocks of 16. Raises ValueError for another length."""
    return aes(key, _CBC, iv).decrypt(data)


def missing(policy):
    """The line that refuses a policy with clients that need what is missing here, or None."""
    for client in policy.clients:
        if client.fwknop:
            here = {"AES": aes, "MD5": md5, "SHA-1": sha1 or client.fwknop.digest != "sha1"}
            names = [name for name in sorted(here) if not here[name]]
            if names:
                return (
                    "clients.%s.kinds: found fwknop, and this MicroPython has no %s; allowed: fwknop with another package: "
                    "micropython-mbedtls (OpenWrt), micropython"
                    % (client.name, ", ".join(names))
                )
    return None
