"""A repository as small as it may be, with the two boards that the tests of packages pack."""

from pathlib import Path

from knocklet import VERSION

START = "#!/bin/sh\n# start.sh\n"
FIRMWARE = {
    "knocklet_engine.{}": "engine", "knocklet_agent.{}": "agent", "knockletctl.{}": "ctl",
    "knocklet/__init__.{}": f"VERSION = '{VERSION}'\n", "knocklet/core/grants.{}": "grants",
}  # fmt: skip
LAUNCHERS = {"knocklet_engine.{}", "knocklet_agent.{}", "knockletctl.{}"}   # text, compiled or not

_BOARD = """\
title = "{title}"

[detect]
file = "/etc/os-release"
text = "{title}"

[package]
{package}

{formats}

[micropython]
package = "micropython"

[service]
enable = "e"
disable = "d"
start = "s"
stop = "p"
restart = "r"
running = "y"

[firewall]
backends = ["nft", "ipset"]
zone = "drop"

[engine]
heap = "1M"
interfaces = "echo wan"

[paths]
{paths}

[console]
baud = 115200
how = "plug it in"
"""
_FORMAT = """\
[package.{name}]
manager = "{manager}"
depends = [{depends}]
prepare = "{manager} update"
install = "{manager} install {{file}}"
remove = "{manager} remove knocklet"
"""
_IMAGE = """
[image]
secrets = "/etc/knocklet/ssh_host_{name}"
enable = ["option enabled '0'", "option enabled '1'"]
build = "make image FILES={folder}/"
"""
ROUTER = _BOARD.format(
    title="Test router",
    package='private = ["/etc/config/knocklet", "/etc/knocklet/"]\nconfig_files = ["/etc/config/knocklet"]',
    formats=_FORMAT.format(name="ipk", manager="opkg", depends='"micropython-mbedtls", "kmod-nft-core (>= 6.6)"')
    + _FORMAT.format(name="apk", manager="apk", depends='"micropython-mbedtls", "kmod-nft-core (>= 6.6)"'),
    paths='settings = "/etc/config/knocklet"',
) + _IMAGE
PI = _BOARD.format(
    title="Test Pi",
    package='private = ["/etc/knocklet/"]\nconfig_files = ["/etc/default/knocklet"]',
    formats=_FORMAT.format(name="deb", manager="apt-get", depends='"micropython (>= 1.23)", "nftables | ipset"'),
    paths="",
)
SETTINGS = "config gateway 'main'\n\toption enabled '0'\n\tlist interface 'wan'\n"
FIRST_BOOT = "#!/bin/sh\nchmod 700 /etc/knocklet\n"


def make(root: Path) -> None:
    for folder, ending in (("firmware", "py"), ("build/firmware", "mpy")):
        _write(root / folder / "start.sh", START, 0o755)
        for name, text in FIRMWARE.items():
            _write(root / folder / name.format("py" if name in LAUNCHERS else ending), text)
        _write(root / folder / "knocklet/__pycache__/grants.cpython-311.pyc", "of this machine")
    _write(root / "LICENSE", "MIT License\n")
    router, pi = root / "boards" / "router", root / "boards" / "pi"
    _write(router / "board.toml", ROUTER)
    _write(router / "files/etc/config/knocklet", SETTINGS)
    _write(router / "files/etc/init.d/knocklet", "#!/bin/sh /etc/rc.common\n", 0o755)
    _write(router / "files/etc/hotplug.d/ntp/knocklet", "")   # empty: it has no data in a package
    _write(router / "image/etc/uci-defaults/99-knocklet", FIRST_BOOT, 0o755)
    for name in ("after_install", "before_remove", "after_remove"):
        _write(router / "scripts" / name, f"#!/bin/sh\n: {name}\n", 0o755)
        _write(pi / "scripts" / name, f"#!/bin/sh\nset -e\n: {name}\n", 0o755)
    _write(pi / "board.toml", PI)
    _write(pi / "files/etc/default/knocklet", "KNOCKLET_HEAP=2M\n")
    _write(pi / "files/usr/lib/systemd/system/knocklet-engine.service", "[Unit]\n")
    (pi / "files/usr/lib/systemd/system/multi-user.target.wants").mkdir()
    link = pi / "files/usr/lib/systemd/system/multi-user.target.wants/knocklet-engine.service"
    link.symlink_to("../knocklet-engine.service")


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
