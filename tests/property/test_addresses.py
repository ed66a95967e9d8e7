"""What is an address, and which: CPython's ipaddress is the judge."""

import ipaddress

from hypothesis import example, given
from hypothesis import strategies as st

from knocklet.wire.addresses import format_address, parse_endpoint, parse_ipv4, parse_ipv6

# Texts near addresses: made of their pieces, so that many of them are addresses and most of the rest are nearly.
PIECES = st.sampled_from(
    [":", "::", ".", "0", "1", "01", "255", "256", "ffff", "FFFF", "0000", "10000", "1.2.3.4", "g", "%1", "/", " "]
)
SOUP = st.lists(PIECES, max_size=18).map("".join)
GROUPS = st.lists(st.sampled_from(["0", "00", "1", "ab", "fFfF", "", "1.2.3.4"]), max_size=10).map(":".join)
DOTTED = st.lists(st.sampled_from(["0", "00", "1", "10", "255", "256", "", "a"]), max_size=6).map(".".join)


def read(function, text):
    try:
        return function(text)
    except ValueError as error:
        assert str(error) and "\n" not in str(error)
        return None


def with_ipaddress(kind, text):
    if "%" in text:   # a zone belongs to one computer, not into a configuration
        return None
    try:
        return kind(text).packed
    except ValueError:
        return None


@given(st.one_of(DOTTED, SOUP, st.text(max_size=20)))
def test_ipv4_is_read_like_ipaddress(text):
    assert read(parse_ipv4, text) == with_ipaddress(ipaddress.IPv4Address, text)


@given(st.one_of(GROUPS, SOUP, st.text(max_size=45)))
@example("1.2.3.4::1.2.3.4")
def test_ipv6_is_read_like_ipaddress(text):
    assert read(parse_ipv6, text) == with_ipaddress(ipaddress.IPv6Address, text)


@given(st.binary(min_size=4, max_size=4))
def test_ipv4_both_ways(address):
    text = format_address(address)
    assert text == str(ipaddress.IPv4Address(address))
    assert parse_ipv4(text) == address


@given(st.lists(st.sampled_from([b"\0\0", b"\0\1", b"\1\0", b"\xff\xff"]), min_size=8, max_size=8).map(b"".join))
def test_ipv6_both_ways(address):
    text = format_address(address)
    # ipaddress of newer Pythons writes the end of a mapped address with dots; RFC 5952 section 5 leaves the choice
    if ipaddress.IPv6Address(address).ipv4_mapped is None:
        assert text == str(ipaddress.IPv6Address(address))
    assert parse_ipv6(text) == address
    assert parse_ipv6(ipaddress.IPv6Address(address).exploded) == address


@given(st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)), st.integers(1, 65535))
def test_endpoints(address, port):
    text = format_address(address)
    text = f"[{text}]:{port}" if len(address) == 16 else f"{text}:{port}"
    assert parse_endpoint(text) == (address, port)
    assert read(parse_endpoint, text[:-1]) in (None, (address, port // 10))
    assert read(parse_endpoint, text + " ") is None
