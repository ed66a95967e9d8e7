"""The units as systemd 257 reads them: no mistakes in them, and no more rights than these."""

import pytest
from raspberry_pi.conftest import install
from raspberry_pi.machine import Machine

from lab.host import LabError

_UNITS = "/usr/lib/systemd/system/"


@pytest.fixture(scope="module")
def machine(package):
    with Machine() as made:
        install(made.chroot, made, package)
        yield made


def test_systemd_finds_no_mistake(machine):
    units = [_UNITS + f"knocklet-{part}" for part in ("engine.service", "agent.service", "closed.path", "closed.service")]
    verified = machine.chroot(["systemd-analyze", "verify", *units])
    assert (verified.stdout, verified.stderr) == ("", "")


# Ten times the exposure level. The engine is root by name, is in the network, and talks to it in four kinds of socket.
@pytest.mark.parametrize(("part", "threshold"), [("agent", 11), ("engine", 20)])
def test_has_no_more_rights_than_it_needs(machine, part, threshold):
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    unit = f"knocklet-{part}.service"
    machine.chroot([*command, f"--threshold={threshold}", unit])
    with pytest.raises(LabError):  # it looks
        machine.chroot([*command, f"--threshold={threshold - 1}", unit])


def test_shell_is_plain(machine):
    """What systemd and dpkg run is run by dash here, and by busybox elsewhere."""
    for path in ("/usr/lib/knocklet/engine_service.sh", "/var/lib/dpkg/info/knocklet.postinst"):
        machine.chroot(["dash", "-n", path])
