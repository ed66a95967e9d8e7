"""Base64 (RFC 4648) that has one way only to write something: no other characters, no loose bits at the end."""

from binascii import a2b_base64, b2a_base64


def decode(text):
    """The bytes that `text` (bytes, without `=`) stands for. Raises ValueError when it is not how they are written."""
    data = a2b_base64(bytes(text) + b"=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not canonical base64")
    return data


def encode(data):
    """As bytes, without the `=` at the end."""
    return b2a_base64(data).rstrip(b"=\n")
