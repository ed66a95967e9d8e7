"""The broker's own certificates: a CA that only this broker has, and a server certificate with the broker's names."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import places
from .errors import InputError

_CA_DAYS = 20 * 365   # gateways have it for as long as they live
_SERVER_DAYS = 5 * 365
_RENEW_DAYS = 90   # before its end, when set-up runs again
_BEFORE = timedelta(days=1)   # a clock that is late by less does not mind
_CURVE = ec.SECP256R1   # what every mbedTLS has


def check_host(host: str) -> x509.GeneralName:
    """A name or an address, as certificates have it. Raises InputError."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    labels = host.split(".")
    good = all(label and len(label) <= 63 and label.replace("-", "a").isalnum() and label[0] != "-" for label in labels)
    if not (host.isascii() and len(host) <= 253 and good):
        raise InputError(f"host {host!r}: allowed: a name or an address, without a port")
    return x509.DNSName(host)


def make(directory: Path, hosts: list[str]) -> bool:
    """ca.crt, ca.key, server.crt and server.key there. The CA stays when there is one, the server's too unless its names
    changed or it ends soon; True: the server's is new. Raises InputError.
    """
    names = [check_host(host) for host in hosts]
    ca_key, ca = _ca(directory)
    data = places.read(directory / "server.crt")
    if data is not None and places.read_private(directory / "server.key") is not None and _serves(data, names, ca):
        return False
    key = ec.generate_private_key(_CURVE())
    builder = (
        _builder(hosts[0], ca.subject, key.public_key(), _SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    places.write(directory / "server.key", _pem_key(key))
    places.write(directory / "server.crt", _pem(builder.sign(ca_key, hashes.SHA256())), 0o644)
    return True


def _ca(directory: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_data, data = places.read_private(directory / "ca.key"), places.read(directory / "ca.crt")
    if key_data is None and data is None:
        key = ec.generate_private_key(_CURVE())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Knocklet broker CA")])
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        )
        builder = (
            _builder("Knocklet broker CA", name, key.public_key(), _CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        made = builder.sign(key, hashes.SHA256())
        places.write(directory / "ca.key", _pem_key(key))
        places.write(directory / "ca.crt", _pem(made), 0o644)
        return key, made
    try:
        loaded = serialization.load_pem_private_key(key_data or b"", None)
        certificate = x509.load_pem_x509_certificate(data or b"")
    except (TypeError, ValueError):
        raise InputError(f"{directory}: ca.key and ca.crt: not both there, or damaged; restore them") from None
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != certificate.public_key():
        raise InputError(f"{directory}: ca.key and ca.crt do not belong together; restore them")
    return loaded, certificate


def _serves(data: bytes, names: list[x509.GeneralName], ca: x509.Certificate) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(data)
        certificate.verify_directly_issued_by(ca)
        has = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:   # damaged in whichever way: a new one is made
        return False
    return set(has) == set(names) and certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=_RENEW_DAYS)


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        # 64 is the limit of a common name; the names that count are in the extension.
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=days))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
