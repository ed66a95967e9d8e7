"""From a bare Pi, without MicroPython, to a working one by one command over ssh, and back: `knocklet provision` and
`unprovision` on Debian's own apt, dpkg and systemd, with a knock from outside in between.
"""

import re
import shutil
from pathlib import Path

import pytest
from raspberry_pi.conftest import install
from raspberry_pi.machine import ROOT, Machine, tree

from lab import Lab
from lab.host import run
from lab.owner import Owner
from lab.visitor import Visitor

PORT = 2222  # of the Pi's sshd: the lab's gateway has one on 22
TO = ["--to", f"ssh://root@203.0.113.1:{PORT}", "--yes"]

# It is packed again, put where apt finds it, and taken off.
MICROPYTHON_TO_FETCH = """
mkdir -p /srv/packages /root/deb/DEBIAN
dpkg -L micropython | while read -r path; do [ -d "$path" ] || ! [ -e "$path" ] || cp -a --parents "$path" /root/deb; done
dpkg-query -s micropython | grep -v ^Status: >/root/deb/DEBIAN/control
cd /srv/packages
dpkg-deb -b /root/deb micropython.deb
cat /root/deb/DEBIAN/control >Packages
sum=$(sha256sum <micropython.deb | cut -c 1-64)
echo "Filename: ./micropython.deb\nSize: $(stat -c %s micropython.deb)\nSHA256: $sum" >>Packages
rm -r /root/deb
dpkg --purge micropython
"""


@pytest.fixture(scope="module")
def lab():
    with Lab(zone="accept", firewall="nft") as made:
        yield made


@pytest.fixture
def pi(lab, tmp_path):
    """Bare, with an sshd that takes the owner's key."""
    with Machine(lab.gateway.netns) as made:
        made.put("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/packages ./\n")  # no Internet in the lab
        made.chroot(["sh", "-ec", MICROPYTHON_TO_FETCH])
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"])
        made.put("/root/.ssh/authorized_keys", (tmp_path / "id.pub").read_bytes())
        made.chroot(["dropbearkey", "-t", "ed25519", "-f", "/root/host_key"])
        made.boot()
        serve = ["dropbear", "-F", "-E", "-s", "-r", "/root/host_key", "-p", str(PORT)]
        made.run(["systemd-run", "--quiet", "--unit=sshd", *serve])
        made.run(["install", "-D", "/dev/null", "/run/systemd/timesync/synchronized"])  # as systemd-timesyncd says it
        yield made


@pytest.fixture
def owner(lab, pi, tmp_path, monkeypatch):
    """With a broker, and the file of a gateway that has one client and protects ssh."""
    options = f"IdentityFile {tmp_path}/id", "StrictHostKeyChecking accept-new", f"UserKnownHostsFile {tmp_path}/hosts"
    (tmp_path / "ssh_config").write_text("\n".join(options) + "\n")
    monkeypatch.setenv("KNOCKLET_SSH", f"ssh -F {tmp_path}/ssh_config")
    made = Owner(lab, pi.path("/etc/knocklet"), Path("/run/knocklet"))
    broker = lab.directory / "owner" / "broker"
    folder = tmp_path / "gateways"
    made.knocklet("gateway", "add", "home")
    made.knocklet("broker", "setup", broker, "--host", lab.mgmt.ip4, "--place", broker)
    made.knocklet("broker", "use", lab.mgmt.ip4, "--ca", broker / "ca.crt", "--password-file", broker / "passwords" / "admin")
    made.start_broker()
    made.knocklet("init", folder, "--gateway", "home", "--host", lab.gateway.ip4)
    made.knocklet("client", "add", "anna", "--gateway", "home", "--open", "ssh")
    file = folder / "home.toml"
    text, count = re.subn(r'^# zone = "drop"', 'zone = "accept"', file.read_text(), flags=re.MULTILINE)
    assert count == 1
    file.write_text(text)
    yield made
    made.stop_broker()


@pytest.fixture
def broken_tool(tmp_path):
    """The command `knocklet` of a repository whose engine does not start."""
    root = tmp_path / "repository"
    for part in ("host_tools", "firmware", "boards", "build/firmware"):
        shutil.copytree(ROOT / part, root / part)
    shutil.copy(ROOT / "LICENSE", root)
    start = root / "build" / "firmware" / "start.sh"
    start.write_text(start.read_text().replace("#!/bin/sh\n", "#!/bin/sh\nexit 1\n", 1))
    program = "from knocklet_tool.main import main; main()"
    return ["env", f"PYTHONPATH={root}/host_tools:{root}/firmware", ROOT / ".venv" / "bin" / "python", "-c", program]


def test_from_bare_to_working_and_back(lab, pi, owner):
    before = tree(pi.root)
    assert "/usr/bin/micropython" not in before
    done = owner.knocklet("provision", "home", *TO)
    assert "raspberry_pi" in done.stdout and "it answers over" in done.stdout
    again = owner.knocklet("provision", "home", *TO)
    assert "nothing to do" in again.stdout

    assert (lab.tcp_open(lab.gateway.ip4, 22), lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker)) == ("refused", "refused")
    visitor = Visitor(lab, lab.client, "anna")
    export = owner.knocklet("client", "export", "anna", "--gateway", "home").stdout
    visitor.knocklet("client", "import", "-", input=export)
    visitor.knocklet("knock", "home", "ssh")
    assert (lab.tcp_open(lab.gateway.ip4, 22), lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker)) == ("open", "refused")

    owner.knocklet("unprovision", "home", *TO)
    assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "open"
    assert tree(pi.root) == before


@pytest.mark.long
def test_an_upgrade_and_the_way_back(lab, pi, owner, newer_package, broken_tool):
    owner.knocklet("provision", "home", *TO)
    install(pi.run, pi, newer_package)
    assert "it answers over" in owner.knocklet("upgrade", "home", *TO).stdout
    assert "nothing to do" in owner.knocklet("upgrade", "home", *TO).stdout
    broken = lab.mgmt.run([*broken_tool, "upgrade", "home", *TO], env=owner.environment, check=False)
    assert broken.returncode and "home has the version before again" in broken.stderr
    assert "nothing to do" in owner.knocklet("upgrade", "home", *TO).stdout  # that one is there, and answers
    assert pi.show("knocklet-engine.service", "ActiveState") == "active"
