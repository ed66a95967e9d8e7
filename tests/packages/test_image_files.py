"""`knocklet board image-files`: what goes into an image; its secrets stay root's through image builder and first boot."""

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from knocklet_tool import board_folder, places, settings, target_files

pytestmark = pytest.mark.usefixtures("no_sockets")

_REPOSITORY = board_folder.ROOT
_FIRST_BOOT = _REPOSITORY / "boards/openwrt/image/etc/uci-defaults/99-knocklet"


@pytest.fixture
def owner(home, knocklet, monkeypatch, repository):
    """An owner with a broker, and with a gateway that has a client."""
    (home / "gateways").mkdir()
    monkeypatch.setenv("KNOCKLET_WORKSPACE", str(home / "gateways"))
    monkeypatch.chdir(home)
    for words in (
        ("init", "--gateway", "home", "--host", "home.example.net", "--interface", "wan0"),
        ("gateway", "add", "home"),
        ("client", "add", "anna", "--gateway", "home", "--open", "ssh"),
    ):
        assert knocklet(*words).exit_code == 0, words
    (home / "broker").mkdir()   # as `broker setup` leaves it
    places.write(home / "broker/agent-home.json", b'{"broker": {"host": "mqtt.home.arpa", "password": "of home"}}\n')
    with settings.edit() as stored:
        stored.broker_files = str(home / "broker")
    return home


def modes(folder):
    return {path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def test_what_is_written(owner, knocklet):
    result = knocklet("board", "image-files", "router", "home")
    assert result.exit_code == 0, result.stderr
    folder = owner / "files"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes(folder) == {
        "etc": 0o755, "etc/config": 0o755, "etc/uci-defaults": 0o755, "etc/knocklet": 0o700,
        "etc/config/knocklet": 0o600, "etc/uci-defaults/99-knocklet": 0o755,
        "etc/knocklet/ssh_host_config.json": 0o600, "etc/knocklet/ssh_host_key": 0o600,
        "etc/knocklet/ssh_host_agent.json": 0o600,
    }  # fmt: skip
    for path, (_, data) in target_files.collect("home").items():
        assert (folder / "etc/knocklet" / f"ssh_host_{Path(path).name}").read_bytes() == data
    assert "option enabled '1'" in (folder / "etc/config/knocklet").read_text()
    lines = result.stdout.splitlines()
    assert lines[0] == "0600  files/etc/config/knocklet"
    packages = "knocklet_0.1.0-r1_all.ipk or knocklet-0.1.0-r1.apk"
    assert lines[-3:] == [
        f"Into the image builder's packages/: {packages}, of knocklet board build router",
        "then: make image FILES=files/",
        "The image holds home's secrets, as this folder does: whoever has it can open every door.",
    ]
    for _, data in target_files.collect("home").values():
        assert data.decode("latin-1") not in result.output


@pytest.mark.parametrize("name", [board.name for board in board_folder.all_() if board.model.image])
def test_the_boards_that_are_shipped(owner, knocklet, monkeypatch, name):
    monkeypatch.setattr(board_folder, "ROOT", _REPOSITORY)
    assert knocklet("board", "image-files", name, "home").exit_code == 0
    settings_file = board_folder.load(name).model.paths.settings
    assert modes(owner / "files")[settings_file.strip("/")] == 0o600
    assert "option enabled '1'" in (owner / f"files{settings_file}").read_text()


def test_json(owner, knocklet):
    found = json.loads(knocklet("board", "image-files", "router", "home", "--output", "x/y", "--json").stdout)
    assert found["build"] == "make image FILES=x/y/" and "x/y/etc/knocklet/ssh_host_key" in found["files"]


def test_other_files_of_the_owner_stay_and_those_of_another_gateway_go(owner, knocklet):
    network = owner / "files/etc/config/network"
    network.parent.mkdir(parents=True)
    network.write_text("mine")
    (owner / "files/etc/knocklet").mkdir(mode=0o755)
    assert knocklet("board", "image-files", "router", "home").exit_code == 0
    (owner / "broker/agent-home.json").unlink()
    result = knocklet("board", "image-files", "router", "home")
    assert "Nothing of a broker: knocklet broker setup has not made home a user here." in result.stdout.splitlines()
    found = modes(owner / "files")
    assert "etc/knocklet/ssh_host_agent.json" not in found and found["etc/knocklet"] == 0o700
    assert network.read_text() == "mine"


@pytest.mark.parametrize(
    "words, why",
    [
        (("pi", "home"), "board pi: its images take no files of one's own; allowed: router"),
        (("router", "attic"), "gateway 'attic' is not known; known: home"),
        (("routr", "home"), "board 'routr'; allowed: pi, router"),
        (("router", "home", "--output", "broker/agent-home.json"), "broker/agent-home.json: File exists; allowed: a folder"),
    ],
)
def test_what_is_not_possible(owner, knocklet, words, why):
    result = knocklet("board", "image-files", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"knocklet: {why}") and result.stderr.count("\n") == 1
    assert not (owner / "files").exists()


def test_settings_that_do_not_say_what_is_to_be_changed(owner, knocklet, repository):
    (repository / "boards/router/files/etc/config/knocklet").write_text("option enabled '1'\n")
    result = knocklet("board", "image-files", "router", "home")
    assert "board.toml: image.enable: \"option enabled '0'\" is not once in /etc/config/knocklet" in result.stderr


@pytest.fixture
def flashed(owner, knocklet):
    """The files after the image builder: it makes all readable but what is called so. include/image.mk, Image/mkfs/prepare."""
    assert knocklet("board", "image-files", "router", "home").exit_code == 0
    root = owner / "files"
    for path in root.rglob("*"):
        if path.is_dir() or path.stat().st_mode & 0o100:
            path.chmod(path.stat().st_mode | 0o755)
        elif not path.name.startswith("ssh_host") and path.name != "shadow":
            path.chmod(path.stat().st_mode | 0o644)
    return root


def log_of(root):
    return root.with_name("kmsg")


def first_boot(root):
    """As /etc/init.d/boot does it: sourced, in a shell of its own."""
    script = root / "first_boot"
    text = _FIRST_BOOT.read_text().replace("/dev/kmsg", str(log_of(root)))
    for place in ("cd /etc/", "600 /etc/"):
        text = text.replace(place, place.replace("/etc/", f"{root}/etc/"))
    script.write_text(text)
    done = subprocess.run(["sh", "-c", f"( . {script} )"], capture_output=True, text=True)
    script.unlink()
    assert done.stderr == "" or done.returncode
    return done.returncode


def test_the_builder_leaves_no_secret_readable(flashed):
    """Not in the image either: what is overwritten at the first boot is still in /rom."""
    secrets = [data for _, data in target_files.collect("home").values()]
    for path in flashed.rglob("*"):
        assert not path.is_file() or not path.stat().st_mode & 0o077 or path.read_bytes() not in secrets, path


def test_first_boot(flashed):
    assert first_boot(flashed) == 0
    found = {path: mode for path, mode in modes(flashed).items() if not path.startswith("etc/uci-defaults")}
    assert found == {
        "etc": 0o755, "etc/config": 0o755, "etc/knocklet": 0o700, "etc/config/knocklet": 0o600,
        "etc/knocklet/config.json": 0o600, "etc/knocklet/key": 0o600, "etc/knocklet/agent.json": 0o600,
    }  # fmt: skip
    assert {path: (0o600, (flashed / path[1:]).read_bytes()) for path in target_files.ALL} == target_files.collect("home")
    assert first_boot(flashed) == 0   # power went before OpenWrt had removed it
    assert set(modes(flashed)) == set(found) | {"etc/uci-defaults", "etc/uci-defaults/99-knocklet"}


def test_settings_that_were_kept_over_an_upgrade_are_newer(flashed):
    (flashed / "etc/knocklet/key").write_text("kept")
    (flashed / "etc/knocklet/state").mkdir()
    assert first_boot(flashed) == 0
    assert (flashed / "etc/knocklet/key").read_text() == "kept"
    assert sorted(path.name for path in (flashed / "etc/knocklet").iterdir()) == ["agent.json", "config.json", "key", "state"]
    line = "knocklet: /etc/knocklet/key was kept, the image's is another one and is gone\n"
    assert log_of(flashed).read_text() == line


def test_the_same_settings_again(flashed):
    """An image that was made once more, with nothing new: there is nothing to be said."""
    shutil.copy(flashed / "etc/knocklet/ssh_host_key", flashed / "etc/knocklet/key")
    assert first_boot(flashed) == 0
    assert not log_of(flashed).exists()


def test_first_boot_without_the_folder(flashed):
    """It says so: OpenWrt keeps the script, and tries again."""
    (flashed / "etc/knocklet").rename(flashed / "elsewhere")
    assert first_boot(flashed) != 0
