"""The feed's Makefile makes the same package: its fields agree with the board's, and its install section copies the same files.

OpenWrt's rules.mk and package.mk are stood in for by the few definitions that the Makefile uses.
"""

import subprocess

import pytest

from knocklet_tool import board_folder, package_build, package_openwrt, package_tree, package_version

_FEED = board_folder.ROOT / "boards/openwrt/feed/knocklet"
_RULES = """\
INSTALL_DIR:=install -d -m0755
CP:=cp -fpR
LN:=ln -sf
"""
_PACKAGE = """\
define BuildPackage
install:
\t$(call Package/$(1)/install,$(DESTINATION))
compile:
\t$(call Build/Compile)
fields:
\t@$(foreach name,NAME VERSION RELEASE LICENSE MAINTAINER,echo '$(name)=$(PKG_$(name))';)
\t@echo '$(subst $(NEWLINE),;,$(Package/$(1)))' | tr ';' '\\n'
\t@echo 'description=$(strip $(Package/$(1)/description))'
\t@echo 'conffiles=$(strip $(Package/$(1)/conffiles))'
export SCRIPT=$$(call Package/$(1)/$(NAME))
script:
\t@echo "$$$$SCRIPT"
endef
define NEWLINE


endef
"""


@pytest.fixture
def make(tmp_path):
    """`make("fields")`: what it prints."""
    (tmp_path / "rules.mk").write_text(_RULES)
    (tmp_path / "package.mk").write_text(_PACKAGE)

    def run(target, makefile=_FEED, **variables):
        words = [f"{key}={value}" for key, value in {"TOPDIR": tmp_path, "INCLUDE_DIR": tmp_path, **variables}.items()]
        done = subprocess.run(["make", "-C", makefile, "-s", target, *words], capture_output=True, text=True, umask=0o077)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_fields(make):
    lines = [line.strip() for line in make("fields").splitlines() if "=" in line]
    found = dict(line.replace(":=", "=", 1).split("=", 1) for line in lines)
    board = board_folder.load("openwrt").model.package
    version = f"{found.pop('VERSION')}-r{found.pop('RELEASE')}"
    assert version == package_version.version("apk") == package_version.version("ipk")
    assert found.pop("conffiles").split() == board.config_files
    for format_ in board.formats.values():
        assert found["DEPENDS"].split() == [f"+{name}" for name in format_.depends]
    del found["DEPENDS"]
    assert found == {
        "NAME": package_version.NAME, "LICENSE": package_version.LICENSE, "MAINTAINER": package_version.MAINTAINER,
        "SECTION": "net", "CATEGORY": "Network", "TITLE": package_version.SUMMARY, "USERID": package_openwrt.USERS,
        "PKGARCH": "all", "description": package_version.DESCRIPTION,
    }  # fmt: skip


def test_files(make, tmp_path):
    """Every path, mode and byte."""
    root = tmp_path / "root"
    make("install", DESTINATION=root)
    made = {f"/{entry.path}": entry for entry in package_tree.read_folder(root)}
    package = package_build.build(board_folder.load("openwrt"), "ipk").package
    ours = {f"/{entry.path}": entry for entry in package.files}
    assert set(made) == set(ours)
    for path, entry in ours.items():
        mode = (root / entry.path).lstat().st_mode & 0o777
        assert (mode, made[path].data, made[path].target) == (entry.mode, entry.data, entry.target), path
    assert (root / "etc/knocklet").stat().st_mode & 0o777 == 0o700 and package.private_folders == ["etc/knocklet"]


def test_scripts(make):
    """A script that the board gets has to be said in the Makefile too."""
    names = {"after_install": "postinst", "before_remove": "prerm", "after_remove": "postrm"}
    scripts = {names[name]: data.decode().strip() for name, data in board_folder.load("openwrt").scripts().items()}
    found = {name: make("script", NAME=name).strip() for name in names.values()}
    assert {name: text for name, text in found.items() if text} == scripts


def test_without_the_firmware(make, tmp_path):
    """A clone where nothing was built."""
    feed = tmp_path / "boards/openwrt/feed/knocklet"
    feed.mkdir(parents=True)
    (feed / "Makefile").write_text((_FEED / "Makefile").read_text())
    with pytest.raises(AssertionError, match="make build first"):
        make("compile", makefile=feed)
