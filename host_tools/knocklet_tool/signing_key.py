"""The key that signs an .apk: an EC key of the curve P-256, which apk-tools knows, in PEM."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from . import places
from .errors import InputError

_HOW = "openssl ecparam -name prime256v1 -genkey -noout -out EC.pem makes one"


def read(name: str) -> ec.EllipticCurvePrivateKey:
    """Raises InputError."""
    data = places.read_secret("--key", name)
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):   # damaged, sealed under a passphrase, of another kind
        raise InputError(f"--key {name}: cannot be read; allowed: a private key in PEM without a passphrase; {_HOW}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InputError(f"--key {name}: another kind of key; allowed: an EC key of the curve P-256; {_HOW}")
    return key


def public(key: ec.EllipticCurvePrivateKey) -> bytes:
    """What goes to /etc/apk/keys on the target."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
