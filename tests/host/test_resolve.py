"""From what was typed to the addresses that are knocked. The resolver is a stand-in: no name leaves this computer."""

import socket

import pytest

from knocklet_tool.errors import InputError, NetworkError
from knocklet_tool.resolve import Target, read_source, resolve

V4, V6 = socket.AF_INET, socket.AF_INET6
BOTH = (V4, V6)


def addresses(host, families=BOTH):
    return [str(target) for target in resolve(host, families)]


@pytest.mark.parametrize(
    "host, address",
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("fe80::1%lo", "fe80::1%lo"),
    ],
)
def test_addresses(names, host, address):
    assert addresses(host) == [address]


@pytest.mark.parametrize("host", ["home.example.net", "home", "home.", "pi_4", "4pi.lan", "m\xfcller.example", "7.lan"])
def test_names(names, host):
    names[host] = ["198.51.100.1"]
    assert addresses(host) == ["198.51.100.1"]


def test_all_addresses_of_a_name_each_once(names):
    names["home"] = ["2001:db8::1", "198.51.100.1", "2001:db8::1", "198.51.100.2"]
    assert addresses("home") == ["2001:db8::1", "198.51.100.1", "198.51.100.2"]
    assert addresses("home", (V4,)) == ["198.51.100.1", "198.51.100.2"]
    assert addresses("home", (V6,)) == ["2001:db8::1"]


def test_a_family_that_it_has_not(names):
    names["home"] = ["198.51.100.1", "198.51.100.2"]
    with pytest.raises(NetworkError, match=r"^home has no IPv6 address, only 198\.51\.100\.1, 198\.51\.100\.2$"):
        resolve("home", (V6,))
    with pytest.raises(NetworkError, match="has no IPv4 address"):
        resolve("::1", (V4,))


def test_unknown_name(names):
    with pytest.raises(NetworkError, match="^home: no such name$"):
        resolve("home", BOTH)


def test_no_name_server(monkeypatch):
    def look_up(*arguments, **options):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(NetworkError, match="^home: no name server answers$"):
        resolve("home", BOTH)


def test_a_label_that_is_too_long(names):
    with pytest.raises(InputError, match="is no host name$"):
        resolve("\xe4" + "a" * 70 + ".example.net", BOTH)


def test_source():
    assert read_source("198.51.100.2") == Target(V4, "198.51.100.2")
    assert read_source("2001:db8::2") == Target(V6, "2001:db8::2")
    assert read_source("fe80::1%lo") == Target(V6, "fe80::1", socket.if_nametoindex("lo"))
    for text in ("", "home", "198.51.100", "198.51.100.2/24", "[::1]", "lo"):
        with pytest.raises(InputError, match="allowed: an IPv4 or IPv6 address of this computer"):
            read_source(text)
    with pytest.raises(NetworkError):
        read_source("fe80::1%no-such-interface")


def test_at():
    assert Target(V4, "198.51.100.2").at(22) == ("198.51.100.2", 22)
    assert Target(V6, "fe80::1", 7).at(22) == ("fe80::1", 22, 0, 7)
