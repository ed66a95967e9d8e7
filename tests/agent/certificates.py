"""Certificates for the brokers of the tests."""

import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A CA, and server certificates by it."""

    def __init__(self, directory, name="ca"):
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key, 3650, [(x509.BasicConstraints(ca=True, path_length=None), True)])
        self.pem = directory / f"{name}.pem"
        self.pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.der = directory / f"{name}.der"
        self.der.write_bytes(certificate.public_bytes(serialization.Encoding.DER))

    def _sign(self, subject, key, days, extensions, age_days=400):
        begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=age_days)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number(), begin,
                                          begin + datetime.timedelta(days=age_days + days))  # fmt: skip
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())

    def server(self, name, days=300, age_days=400):
        """(certificate file, key file) for this name or address, good for so many days more."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            names = [x509.IPAddress(ipaddress.ip_address(name))]
        except ValueError:
            names = [x509.DNSName(name)]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, days, [(x509.SubjectAlternativeName(names), False)], age_days)
        files = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        files[1].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
        )
        return files


def server_context(files):
    """For ssl: a server with this (certificate file, key file)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context
