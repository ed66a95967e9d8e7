"""What core/fwknop.py wants of ciphers, on every interpreter of the tests, and the other direction of AES to make packets."""

from hashlib import md5 as _md5
from hashlib import sha1 as _sha1

try:
    from cryptolib import aes  # MicroPython
except ImportError:
    aes = None
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

_CBC = 2


def md5(data):
    return _md5(data).digest()


def sha1(data):
    return _sha1(data).digest()


def aes_cbc_decrypt(key, iv, data):
    return aes(key, _CBC, iv).decrypt(data) if aes else _all_of(Cipher(AES(key), CBC(iv)).decryptor(), data)


def aes_cbc_encrypt(key, iv, data):
    return aes(key, _CBC, iv).encrypt(data) if aes else _all_of(Cipher(AES(key), CBC(iv)).encryptor(), data)


def _all_of(context, data):
    return context.update(data) + context.finalize()
