"""Secrets sealed under a key in the keyring of a desktop: GNOME's own, on a bus of this test."""

import json
import os
import subprocess
import sys

import pytest
from host.process import Process

from knocklet_tool import secret_files
from knocklet_tool.errors import InputError

# Without the system's services: a keyring that was ended is not started again.
BUS = """<busconfig><type>session</type><listen>unix:tmpdir=%s</listen><policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>"""


@pytest.fixture
def desktop(home, monkeypatch):
    """A bus, and an unlocked keyring on it. Yields the process of the keyring."""
    run = home / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    (run / "bus.conf").write_text(BUS % run)
    words = ["dbus-daemon", f"--config-file={run / 'bus.conf'}", "--nofork", "--print-address"]
    bus = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.stdout.readline().decode().strip())
        keyring = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            keyring.stdin.write(b"a desktop's password")
            keyring.stdin.close()
            keyring.stdout.readline()   # it says where it is, once it is there
            yield keyring
        finally:
            keyring.kill()
            keyring.wait()
    finally:
        bus.kill()
        bus.wait()


def run(home, *words):
    with Process(home, *words) as done:
        code = done.wait()
        return code, done.stdout, done.stderr


def test_secrets_under_a_key_in_a_keyring(home, desktop):
    """What was there is sealed, what comes never touches a disk as it is; all commands go on."""
    assert run(home, "gateway", "add", "home")[0] == 0
    directory = home / "config" / "knocklet"
    key = json.loads((directory / "secrets.json").read_text())["gateways"]["home"]["key"]
    pushed = home / "data" / "knocklet" / "pushed"
    pushed.mkdir(mode=0o700, parents=True)
    (pushed / "home.json").write_text("[]  ")
    (pushed / "home.json").chmod(0o600)
    code, _, told = run(home, "init", home / "gateways", "--gateway", "home", "--host", "h", "--keyring")
    assert code == 0 and "Secrets are sealed from now on, under a key in SecretService Keyring.\n" in told, told
    assert (pushed / "home.json").read_bytes().startswith(b"gAAAA")
    assert run(home, "client", "add", "anna", "--open", "ssh")[0] == 0
    assert run(home, "sequence", "new", "home", "front", "--open", "ssh")[0] == 0
    written = b"".join(path.read_bytes() for place in (directory, home / "gateways") for path in place.iterdir())
    secret = run(home, "client", "show", "anna", "--secret")[1].split("key")[1].split()[0]
    steps = run(home, "sequence", "list", "home", "--secret")[1].split()[-4:]
    assert len(secret) == 64 and all("/tcp" in step for step in steps)
    assert not any(each.encode() in written for each in (key, secret, *(f'"{step}"' for step in steps)))
    for name in ("secrets.json", "client-secrets.json", "sequence-secrets.json"):
        assert (directory / name).read_bytes().startswith(b"gAAAA") and (directory / name).stat().st_mode & 0o777 == 0o600
    with open(home / "key", "wb") as file, Process(home, "gateway", "key", "home", stdout=file) as done:
        assert done.wait() == 0
    assert (home / "key").read_bytes().hex() == key
    assert run(home, "init", "--keyring")[0] == 0   # again: the key stays
    assert secret in run(home, "client", "show", "anna", "--secret")[1]
    assert run(home, "lint")[0] == 0   # reads what was pushed
    (directory / "client-secrets.json").write_bytes((directory / "client-secrets.json").read_bytes()[:-9] + b"AAAAAAA==")
    code, out, told = run(home, "client", "list")
    assert (code, out) == (2, "") and "client-secrets.json: damaged, or sealed under another key" in told


def test_the_keyring_is_away(home, desktop, monkeypatch):
    """One line; and nothing is written unsealed instead."""
    assert run(home, "init", home / "gateways", "--gateway", "home", "--host", "h", "--keyring")[0] == 0
    directory = home / "config" / "knocklet"
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    desktop.kill()
    desktop.wait()
    for address in (os.environ["DBUS_SESSION_BUS_ADDRESS"], "unix:path=/none"):
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        for words in (["client", "list"], ["client", "add", "anna", "--open", "ssh"], ["gateway", "add", "attic"]):
            code, out, told = run(home, *words)
            assert (code, out) == (2, "") and told.startswith("knocklet: the keyring "), told
            assert told.count("\n") == 1
    (directory / "client-secrets.json").unlink()   # a new file is not written unsealed either
    assert run(home, "client", "add", "anna", "--open", "ssh")[0] == 2
    assert not (directory / "client-secrets.json").exists()
    assert {name: data for name, data in before.items() if name != "client-secrets.json"}.items() <= {
        path.name: path.read_bytes() for path in directory.iterdir()
    }.items()


def test_no_keyring(home, monkeypatch):
    """What only writes files is none: all stays as it was."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none")
    assert run(home, "gateway", "add", "home")[0] == 0
    before = (home / "config" / "knocklet" / "secrets.json").read_bytes()
    code, _, told = run(home, "init", home / "gateways", "--keyring")
    assert code == 2 and "no keyring of the operating system is here" in told and told.count("\n") == 2, told
    assert (home / "config" / "knocklet" / "secrets.json").read_bytes() == before
    assert run(home, "gateway", "add", "attic")[0] == 0


def test_without_the_package(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(InputError, match="pip install keyring"):
        secret_files.use_keyring([])
