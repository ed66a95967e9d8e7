"""The package of the board raspberry_pi, and a Debian 13 that takes it."""

import re
import subprocess
import tomllib

import pytest
from raspberry_pi.machine import ROOT

from lab.host import run
from lab.visitor import KNOCKLET

SETTINGS = "/etc/default/knocklet"


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """As `knocklet board build` makes it."""
    output = tmp_path_factory.mktemp("package")
    run([KNOCKLET, "board", "build", "raspberry_pi", "--output", output])
    (made,) = output.glob("*.deb")
    return made


@pytest.fixture(scope="session")
def newer_package(package, tmp_path_factory):
    """The same of a later version: another comment in its settings, and in what runs."""
    folder = tmp_path_factory.mktemp("newer") / "contents"
    run(["dpkg-deb", "-R", package, folder])
    control = folder / "DEBIAN" / "control"
    control.write_text(re.sub("^Version: .*$", "Version: 99.0-1", control.read_text(), flags=re.MULTILINE))
    for path in (SETTINGS, "/usr/lib/knocklet/start.sh"):
        file = folder / path.lstrip("/")
        file.write_text(file.read_text() + "# of a later version\n")
    run(["dpkg-deb", "--root-owner-group", "-b", folder, folder.with_suffix(".deb")])
    return folder.with_suffix(".deb")


def install(run_there, machine, package):
    """As board.toml says it, by Debian's apt without any Internet; nobody is there to answer a question."""
    board = tomllib.loads((ROOT / "boards" / "raspberry_pi" / "board.toml").read_text())
    machine.put("/etc/apt/sources.list", "")
    machine.put("/root/knocklet.deb", package.read_bytes())
    command = board["package"]["deb"]["install"].format(file="/root/knocklet.deb")
    return run_there(["sh", "-c", command], stdin=subprocess.DEVNULL)
