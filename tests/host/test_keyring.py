"""Secrets in the keyring of a desktop: GNOME's own, on a bus of this test. Nothing of them is in a file of ours."""

import os
import subprocess

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


def everything(home):
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_secrets_in_a_keyring(home, desktop):
    """Those that were there move, new ones never touch a disk as they are; all commands go on."""
    assert run(home, "gateway", "add", "home")[0] == 0
    key = b"".join(path.read_bytes() for path in (home / "config" / "knocklet").glob("secrets.json")).split(b'"key": "')[1][:64]
    code, _, told = run(home, "init", home / "gateways", "--gateway", "home", "--host", "h", "--keyring")
    assert code == 0 and "Secrets are in SecretService Keyring from now on, and no longer in files.\n" in told, told
    assert key not in everything(home)
    assert run(home, "client", "add", "anna", "--open", "ssh")[0] == 0
    assert run(home, "sequence", "new", "home", "front", "--open", "ssh")[0] == 0
    secret = run(home, "client", "show", "anna", "--secret")[1].split("key")[1].split()[0]
    steps = run(home, "sequence", "list", "home", "--secret")[1].split()[-4:]
    assert len(secret) == 64 and all("/tcp" in step for step in steps)
    there = everything(home).decode(errors="replace")
    left = there.replace(secret, "", 1)   # this test's own process has printed it
    assert there.count(secret) == 1 and secret not in left and all(there.count(f'"{step}"') == 0 for step in steps)
    names = {path.name for path in (home / "config" / "knocklet").iterdir() if not path.name.startswith(".")}
    assert names == {"clients.json", "settings.json", "secrets-in-keyring"}
    with open(home / "key", "wb") as file, Process(home, "gateway", "key", "home", stdout=file) as done:
        assert done.wait() == 0
    assert (home / "key").read_bytes().hex() == key.decode()
    assert run(home, "init", "--keyring")[0] == 0   # again: nothing is lost
    assert secret in run(home, "client", "show", "anna", "--secret")[1]


def test_the_keyring_is_away(home, desktop, monkeypatch):
    """One line; and nothing is written to a file instead."""
    assert run(home, "init", home / "gateways", "--gateway", "home", "--host", "h", "--keyring")[0] == 0
    desktop.kill()
    desktop.wait()
    for address in (os.environ["DBUS_SESSION_BUS_ADDRESS"], "unix:path=/none"):
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        for words in (["client", "list"], ["client", "add", "anna", "--open", "ssh"], ["gateway", "add", "attic"]):
            code, out, told = run(home, *words)
            assert (code, out) == (2, "") and told.startswith("knocklet: the keyring "), told
            assert told.count("\n") == 1
    assert not list((home / "config" / "knocklet").glob("*secrets.json"))


def test_no_keyring(home, monkeypatch):
    """What only writes files is none: the files stay."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none")
    assert run(home, "gateway", "add", "home")[0] == 0
    before = (home / "config" / "knocklet" / "secrets.json").read_bytes()
    code, _, told = run(home, "init", home / "gateways", "--keyring")
    assert code == 2 and "no keyring of the operating system is here" in told and told.count("\n") == 2, told
    assert (home / "config" / "knocklet" / "secrets.json").read_bytes() == before
    assert not (home / "config" / "knocklet" / "secrets-in-keyring").exists()


def test_without_the_package(home, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    with pytest.raises(InputError, match="pip install keyring"):
        secret_files.move_to_keyring([home / "secrets.json"])
