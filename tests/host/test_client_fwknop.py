"""What a client of kind fwknop gives to phones and to the fwknop program: the program itself is asked."""

import base64
import hashlib
import hmac
import json
import subprocess

import pytest
import segno
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from knocklet_tool import clients

pytestmark = pytest.mark.usefixtures("home")

PORT = 62201
PREFIX = b"U2FsdGVkX1"   # "Salted__", which fwknop leaves out


@pytest.fixture
def phone(home, lab, knocklet):
    """phone("--source", "any"): a client for ssh and camera at the lab's gateway."""

    def make(*words):
        services = {"ssh": {"index": 1, "port": 22, "one_shot": True}, "camera": {"index": 2, "protocol": "udp", "port": 8080}}
        (home / "config.json").write_text(json.dumps({"id": "home", "interfaces": ["wan0"], "services": services}))
        done = knocklet("gateway", "describe", "home", home / "config.json", "--host", lab.gateway.ip4)
        assert done.exit_code == 0, done.stderr
        done = knocklet("client", "add", "phone", "--open", "ssh", "--open", "camera", "--kind", "fwknop", *words)
        assert done.exit_code == 0, done.stderr
        return clients.load().client("phone")

    return make


def read(client, payload):
    """The fields between the colons of what fwknop sent; fails when it was made with other keys."""
    body, mac = PREFIX + payload[:-43], payload[-43:]
    assert base64.b64encode(hmac.digest(client.fwknop.hmac_key, body, "sha256")).rstrip(b"=") == mac
    data = base64.b64decode(body + b"=" * (-len(body) % 4))
    derived = digest = b""
    while len(derived) < 48:
        digest = hashlib.md5(digest + client.fwknop.key + data[8:16]).digest()
        derived += digest
    decryptor = Cipher(algorithms.AES(derived[:32]), modes.CBC(derived[32:48])).decryptor()
    text = decryptor.update(data[16:]) + decryptor.finalize()
    return text[: -text[-1]].decode().split(":")


def message(fields):
    """`198.51.100.7,tcp/22`"""
    return base64.b64decode(fields[5] + "=" * (-len(fields[5]) % 4)).decode()


def sent(wire):
    return [packet.payload for packet in wire.packets(wait_s=0.3) if packet.step == f"{PORT}/udp"]


def test_knock(lab, wire, knock, phone):
    client = phone()
    wire.packets()
    result = knock("home", "ssh")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"sent a fwknop knock to open ssh, 4 times, to {lab.gateway.ip4}\n"
    payloads = sent(wire)
    assert len(set(payloads)) == 4   # none is a copy, which would be refused
    assert {message(read(client, payload)) for payload in payloads} == {"0.0.0.0,tcp/22"}


def test_time_and_address(wire, knock, phone):
    client = phone("--source", "any")
    wire.packets()
    assert knock("home", "camera", "--ttl", 77, "--state", "192.0.2.7").exit_code == 0
    fields = read(client, sent(wire)[0])
    assert (message(fields), fields[4], fields[6]) == ("192.0.2.7,udp/8080", "3", "77")


def test_what_it_cannot_do(knock, phone, monkeypatch):
    phone("--source", "stated")
    for words, line in (
        (["--close"], "client phone: fwknop can only open"),
        ([], "client phone: fwknop states an address with --state only"),
        (["--state", "192.0.2.7", "--source", "192.0.2.1"], "client phone: fwknop has no --source"),
        (["--state", "2001:db8::1"], "--state 2001:db8::1: ssh does not open for IPv6 by fwknop"),
        (["--state", "192.0.2.7", "-6"], "ssh opens by fwknop over IPv4 only"),
    ):
        one_line(knock("home", "ssh", *words), line)
    with monkeypatch.context() as without:
        without.setenv("PATH", "/nowhere")
        result = knock("home", "ssh", "--state", "192.0.2.7")
    one_line(result, "client phone: fwknop needs the program of this name; apt install fwknop-client")


def test_the_strongest_is_taken(wire, knock, phone):
    phone("--kind", "otp", "--kind", "spa")
    wire.packets()
    assert knock("home", "ssh").stdout.startswith("sent a signed knock to open ssh")
    assert {len(packet.payload) for packet in wire.packets(wait_s=0.3)} == {88}
    assert knock("home", "ssh", "--kind", "otp").stdout.startswith("sent one-time ports to open ssh")
    assert knock("home", "ssh", "--kind", "fwknop").stdout.startswith("sent a fwknop knock to open ssh")


def test_its_keys_are_on_no_command_line(home, knock, phone, monkeypatch):
    client = phone()
    seen = []
    run = subprocess.check_output

    def look(words, **options):
        file = words[words.index("--rc-file") + 1]
        seen.append((" ".join(words), open(file).read(), [path.stat().st_mode & 0o777 for path in home.rglob("fwknoprc")]))
        return run(words, **options)

    monkeypatch.setattr(subprocess, "check_output", look)
    assert knock("home", "ssh").exit_code == 0
    keys = client.fwknop.as_json()
    for words, file, modes_ in seen:
        assert keys["key"] in file and keys["hmac_key"] in file and modes_ == [0o600]
        assert keys["key"] not in words and keys["hmac_key"] not in words
    assert len(seen) == 4 and not list(home.rglob("fwknoprc"))   # and nothing of it is left
    assert not list(home.glob(".fwknop*"))


def test_a_program_that_fails(home, knock, phone, monkeypatch):
    phone()
    program = home / "bin" / "fwknop"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'no \033[2J such thing' >&2\necho more\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    result = knock("home", "ssh")
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", "knocklet: fwknop: no ?[2J such thing\n")


@pytest.mark.parametrize("source, words", [("packet", []), ("stated", ["-a", "198.51.100.2"])])
def test_fwknoprc(home, lab, wire, knocklet, phone, source, words):
    """The stanza as it is, in fwknop's own file: `fwknop -n home` opens all that the client may."""
    client = phone("--source", source)
    with open(home / ".fwknoprc", "w") as file:
        file.write(knocklet("client", "fwknoprc", "phone").stdout)
    (home / ".fwknoprc").chmod(0o600)
    wire.packets()
    with lab.client.inside():
        subprocess.run(["fwknop", "-n", "home", *words], check=True, capture_output=True, timeout=20)
        if words:   # it does not guess an address
            assert subprocess.run(["fwknop", "-n", "home"], capture_output=True, timeout=20).returncode != 0
    (payload,) = sent(wire)
    address = words[1] if words else "0.0.0.0"
    assert message(read(client, payload)) == f"{address},tcp/22,udp/8080"


def test_qr_on_the_screen(lab, knocklet, phone):
    client = phone()
    result = knocklet("client", "qr", "phone")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "This is the secret of phone: whoever sees it can knock.",
        f"To be typed in the app: server {lab.gateway.ip4}, port 62201, access ports tcp/22,udp/8080, allow source IP.",
    ]
    lines = result.stdout.splitlines()
    halves = {"█": "00", "▀": "01", "▄": "10", " ": "11"}   # upper and lower module, 1 is dark
    rows = [[halves[character][half] == "1" for character in line] for line in lines for half in (0, 1)]
    assert rows_of(expected(client)) == rows[: len(rows[0])]
    assert not any(any(row) for row in rows[len(rows[0]) :])


def test_qr_as_a_picture(home, knocklet, phone):
    client = phone()
    result = knocklet("client", "qr", "phone", "--svg", home / "a.svg", "--png", home / "a.png")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"{home / 'a.png'} is the secret of phone: whoever sees it can knock.\n" in result.stderr
    for name, begins in (("a.svg", b"<?xml"), ("a.png", b"\x89PNG")):
        assert (home / name).read_bytes().startswith(begins)
        assert (home / name).stat().st_mode & 0o777 == 0o600
    for key in client.fwknop.as_json().values():
        assert key == "sha256" or key.encode() not in (home / "a.svg").read_bytes()
    one_line(knocklet("client", "qr", "phone", "--png", home / "none" / "a.png"), "No such file or directory")


def expected(client):
    """What fwknop2 takes apart: at spaces, then at colons."""
    keys = client.fwknop.as_json()
    return segno.make_qr(f"KEY_BASE64:{keys['key']} HMAC_KEY_BASE64:{keys['hmac_key']}", error="m")


def rows_of(code):
    return [[bool(module) for module in row] for row in code.matrix_iter(border=4)]


def one_line(result, line):
    assert (result.exit_code, result.stdout) == (2, "")
    assert line in result.stderr, result.stderr
    assert result.stderr.count("\n") == 1 and result.stderr[:-1].isprintable()
