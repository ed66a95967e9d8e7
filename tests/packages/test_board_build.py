"""`knocklet board`: the list, what is written and told, and what a board may say wrong: one line, and nothing is written."""

import json
import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from knocklet import VERSION
from knocklet_tool import board_folder


@pytest.fixture
def board_toml(repository):
    return repository / "boards/router/board.toml"


@pytest.fixture
def refused(repository, knocklet):
    """`refused("board", "build", "router")`: the one line; nothing was written."""

    def run(*words):
        result = knocklet(*words)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert result.stderr.startswith("knocklet: ") and result.stderr[:-1].isprintable()
        assert not (repository / "build/packages").exists()
        return result.stderr.removeprefix("knocklet: ").strip()

    return run


def test_list(repository, knocklet):
    assert knocklet("board", "list").stdout.splitlines() == ["pi      Test Pi: deb", "router  Test router: ipk, apk"]
    found = json.loads(knocklet("board", "list", "--json").stdout)["boards"]
    assert found[1] == {"name": "router", "title": "Test router", "formats": ["ipk", "apk"]}


def test_build(repository, knocklet):
    result = knocklet("board", "build", "router")
    folder = repository / "build/packages/router"
    assert result.exit_code == 0 and result.stderr == ""
    ipk, apk = folder / "knocklet_0.1.0-r1_all.ipk", folder / "knocklet-0.1.0-r1.apk"
    assert sorted(folder.iterdir()) == [apk, ipk] and stat.S_IMODE(apk.stat().st_mode) == 0o644
    lines = result.stdout.splitlines()
    assert lines[0] == f"{ipk}  {ipk.stat().st_size / 1024:.1f} kB, for Test router"
    assert [line.split() for line in lines[1:6]] == [
        ["1", "/etc/config/knocklet"], ["1", "/etc/hotplug.d/ntp/knocklet"], ["1", "/etc/init.d/knocklet"],
        ["1", "/usr/bin/knockletctl"], ["6", "/usr/lib/knocklet"],
    ]  # fmt: skip
    assert lines[6:8] == [
        "  needs micropython-mbedtls, kmod-nft-core (>= 6.6)",
        "  on the target: opkg update; opkg install ./knocklet_0.1.0-r1_all.ipk",
    ]
    assert lines[8].startswith(str(apk)) and not [line for line in lines if "signed" in line]


def test_one_format_elsewhere(repository, knocklet, tmp_path):
    result = knocklet("board", "build", "router", "--format", "apk", "--output", tmp_path / "new" / "deep", "--json")
    (package,) = json.loads(result.stdout)["packages"]
    path = tmp_path / "new" / "deep" / "knocklet-0.1.0-r1.apk"
    assert (package["file"], package["format"], package["version"]) == (str(path), "apk", "0.1.0-r1")
    assert package["bytes"] == path.stat().st_size and "/usr/lib/knocklet/start.sh" in package["files"]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_source(repository, knocklet):
    files = json.loads(knocklet("board", "build", "pi", "--source", "--json").stdout)["packages"][0]["files"]
    assert "/usr/lib/knocklet/knocklet/core/grants.py" in files and "/usr/lib/knocklet/start.sh" in files
    assert not [name for name in files if name.endswith((".mpy", ".pyc"))]


def test_signed(repository, knocklet, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.pem").write_bytes(_pem(key))
    result = knocklet("board", "build", "router", "--key", tmp_path / "key.pem")
    assert result.stdout.count("signed: with knocklet.pem in /etc/apk/keys/ it needs no --allow-untrusted") == 1
    told = serialization.load_pem_public_key((repository / "build/packages/router/knocklet.pem").read_bytes())
    assert told == key.public_key()
    for path in (repository / "build/packages/router").iterdir():
        assert b"PRIVATE" not in path.read_bytes()


def _pem(key, how=None):
    private = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, private, how or serialization.NoEncryption())


_SEALED = serialization.BestAvailableEncryption(b"secret")


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "empty; allowed: 1-4096 bytes"),
        (b"no key", "cannot be read; allowed: a private key in PEM without a passphrase; openssl"),
        (_pem(ec.generate_private_key(ec.SECP256R1()), _SEALED), "cannot be read; allowed: a private key in PEM without"),
        (_pem(ec.generate_private_key(ec.SECP384R1())), "another kind of key; allowed: an EC key of the curve P-256; openssl"),
        (_pem(rsa.generate_private_key(65537, 2048)), "another kind of key"),
    ],
)
def test_keys_that_cannot_sign(refused, tmp_path, data, why):
    (tmp_path / "key.pem").write_bytes(data)
    assert f"--key {tmp_path / 'key.pem'}: {why}" in refused("board", "build", "router", "--key", tmp_path / "key.pem")


def test_words_that_do_not_fit(refused, tmp_path):
    assert refused("board", "build", "rooter") == "board 'rooter'; allowed: pi, router"
    assert refused("board", "build", "../router") == "board '../router'; allowed: pi, router"
    line = "board pi: no package of format 'apk'; allowed: deb"
    assert refused("board", "build", "pi", "--format", "apk") == line
    line = "--key: it signs an .apk; to be built: ipk"
    assert refused("board", "build", "router", "--format", "ipk", "--key", tmp_path / "k") == line
    (tmp_path / "file").touch()
    line = f"--output {tmp_path / 'file' / 'x'}: Not a directory; allowed: a folder that can be written"
    assert refused("board", "build", "pi", "--output", tmp_path / "file" / "x") == line


def test_without_a_repository(refused, repository, monkeypatch):
    monkeypatch.setattr(board_folder, "ROOT", repository / "site-packages")
    line = f"no boards here: {repository / 'site-packages/boards'} is not there; allowed: knocklet in a clone of its repository"
    assert refused("board", "list") == line and refused("board", "build", "pi") == line


@pytest.mark.parametrize(
    "name", ["start.sh", "knocklet_engine.py", "knocklet_agent.py", "knockletctl.py", "knocklet/__init__.mpy"]
)
def test_without_firmware(refused, repository, name):
    (repository / "build/firmware" / name).unlink()
    line = f"{repository / 'build/firmware'}: {name} is not there; make build makes it"
    assert refused("board", "build", "pi") == line
    name = name.replace(".mpy", ".py")
    (repository / "firmware" / name).unlink()
    line = f"{repository / 'firmware'}: {name} is not there; it is in every clone"
    assert refused("board", "build", "pi", "--source") == line


def test_firmware_of_another_version(refused, repository):
    """What was built before the version went up."""
    (repository / "build/firmware/knocklet/__init__.mpy").write_text("VERSION = '0.0.9'")
    line = f"{repository / 'build/firmware'}: not of version {VERSION}; make build makes that"
    assert refused("board", "build", "pi") == line


@pytest.mark.parametrize(
    "old, new, why",
    [
        # in board.toml, and its line
        ('title = "Test router"', "title = ", "board.toml:1: not TOML: Invalid value"),
        ('title = "Test router"', "", "board.toml:1: title: missing; boards/README.md tells what it is"),
        ('title = "Test router"', 'title = ""', "board.toml:1: title: found ''; it should have at least 1 character"),
        ('title = "Test router"', "title = 7", "board.toml:1: title: found 7; it should be a valid string"),
        ('heap = "1M"', 'heap = "1M"\nhip = 1', "engine.hip: unknown key; allowed: those of boards/README.md"),
        ('heap = "1M"', 'heap = "1 MB"', "engine.heap: found '1 MB'; it should match pattern '^[1-9][0-9]*[KM]$'"),
        ('heap = "1M"', 'heap = "1M; reboot"', "engine.heap: found '1M; reboot'; it should match pattern"),
        ("baud = 115200", "baud = 7", "console.baud: found 7; it should be greater than or equal to 1200"),
        ("baud = 115200", 'baud = "115200"', "console.baud: found '115200'; it should be a valid integer"),
        ('zone = "drop"', 'zone = "open"', "firewall.zone: found 'open'; it should match pattern '^(drop|reject|accept)$'"),
        ('backends = ["nft", "ipset"]', "backends = []", "firewall.backends: found []; it should have at least 1 item"),
        ('backends = ["nft", "ipset"]', 'backends = ["pf"]', "firewall.backends.0: found 'pf'; it should match pattern"),
        ('install = "opkg install {file}"', 'install = "opkg install"', "package.ipk.install: found 'opkg install'; it should"),
        ('"micropython-mbedtls", "kmod', '"micropython>=1", "kmod', "package.ipk.depends.0: found 'micropython>=1'; it should"),
        ('"micropython-mbedtls", "kmod', '"a1\\n", "kmod', "package.ipk.depends.0: found 'a1\\n'; it should match"),
        ('"micropython-mbedtls", "kmod', '"aa | bb", "kmod', "'aa | bb': a .ipk needs one of this name; allowed: without |"),
        ('private = ["/etc/config/knocklet"', 'private = ["etc/config/knocklet"', "package.private.0: found 'etc/config/kno"),
        ('private = ["/etc/config/knocklet"', 'private = ["/etc/config/knoklet"', "private: /etc/config/knoklet is not in"),
        ('config_files = ["/etc/config/knocklet"]', 'config_files = ["/etc/c"]', "config_files: /etc/c is not in"),
        ('"/etc/knocklet/"]', '"/etc/config/knocklet/"]', "/etc/config/knocklet: a file and a folder; allowed: one of them"),
        ("[package.ipk]", "[package.rpm]", "package.rpm: unknown key; allowed: those of boards/README.md"),
        ("[detect]", "[detected]", "detect: missing"),
    ],
)
def test_what_a_board_may_not_say(refused, board_toml, old, new, why):
    text = board_toml.read_text()
    assert old in text
    board_toml.write_text(text.replace(old, new, 1))
    assert why in refused("board", "build", "router")


def test_a_board_without_a_package(refused, repository):
    path = repository / "boards/pi/board.toml"
    text = path.read_text()
    start, end = text.index("[package.deb]"), text.index("[micropython]")
    path.write_text(text[:start] + text[end:])
    assert refused("board", "list") == f"{path}: package: no format; allowed: one or more of ipk, apk, deb"


def test_bytes_that_are_no_text(refused, board_toml):
    board_toml.write_bytes(b'title = "\xff"')
    assert "board.toml:1: byte 0xff: allowed: UTF-8" in refused("board", "build", "router")


def test_what_may_not_lie_in_files(refused, repository):
    files = repository / "boards/pi/files"
    for make, why in (
        (lambda path: os.mkfifo(path), "neither a file nor a link; allowed: these"),
        (lambda path: path.with_name("two words").touch(), "a name in a package; allowed: ASCII without spaces"),
        (lambda path: path.with_name("line\nbreak").touch(), "a name in a package; allowed: ASCII without spaces"),
        (lambda path: path.with_name("grün").touch(), "a name in a package; allowed: ASCII without spaces"),
    ):
        make(files / "thing")
        assert why in refused("board", "build", "pi")
        for path in files.iterdir():
            path.unlink() if not path.is_dir() else None


def test_no_board_overwrites_the_firmware(refused, repository):
    path = repository / "boards/pi/files/usr/lib/knocklet/start.sh"
    path.parent.mkdir(parents=True)
    path.touch()
    assert refused("board", "build", "pi") == "/usr/lib/knocklet/start.sh: the package has it already; allowed: once"


def test_scripts_that_are_none(refused, repository):
    scripts = repository / "boards/pi/scripts"
    (scripts / "postinst").write_text("#!/bin/sh\n")
    line = "no such script; allowed: after_install, before_remove, after_remove"
    assert refused("board", "build", "pi") == f"{scripts / 'postinst'}: {line}"
    (scripts / "postinst").unlink()
    (scripts / "after_install").write_text("#!/bin/bash\n")
    assert "after_install: its first line; allowed: #!/bin/sh, what every board has" in refused("board", "build", "pi")
