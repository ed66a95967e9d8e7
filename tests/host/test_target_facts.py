"""What a target says is taken only where it is as it should be: it may be anything, and hostile."""

import pytest

from knocklet_tool.errors import RefusedError
from knocklet_tool.target_facts import Facts, read

GOOD = """\
Welcome to the router!
begin=1
uid=0
release=OpenWrt 24.10.0
machine=aarch64
kernel=6.6.73
manager=opkg
firewall=nft
firewall=fw4
micropython=1.25.0
module=ffi
flash_kb=4000
memory_kb=60000
time=1796072220
ntp=1
interface=lo
interface=pppoe-wan
board=openwrt
knocks=pppoe-wan
running=1
version=0.1.0-r1
sha256={digest}  /etc/knocklet/key
ssh_port=22
ssh_interface=br-lan
there=1
end=1
""".format(digest="ab" * 32)


def test_all_of_it():
    facts = read("x", GOOD.replace("\n", "\r\n"))
    assert vars(facts) == vars(Facts(
        0, "OpenWrt 24.10.0", "aarch64", "6.6.73", ["opkg"], ["nft", "fw4"], (1, 25), ["ffi"], 4000, None, 60000, None,
        1796072220, True, ["lo", "pppoe-wan"], ["pppoe-wan"], ["openwrt"], {"/etc/knocklet/key": "ab" * 32}, False, True,
        True, "0.1.0-r1", 22, "br-lan",
    ))  # fmt: skip


@pytest.mark.parametrize("line", [
    "uid=-1", "uid=0x0", "uid=", "uid=" + "9" * 13, "machine=a b", "machine=$(reboot)", "kernel=" + "6" * 65, "manager=../opkg",
    "flash_kb=4 GB", "time=soon", "micropython=new", "micropython=1234.1", "interface=wan0;x", "knocks=",
    "sha256=ab  /etc/knocklet/key", f"sha256={'ab' * 32}  /etc/knocklet/../passwd", f"sha256={'ab' * 32}  /etc/passwd",
    "ntp=yes", "running=0", "release=\x1b]0;title\x07", "release=" + "x" * 201, "version=1 0", "setattr=1",
    "__class__=1", "modules=x", "boards=x", "=", "uid",
])  # fmt: skip
def test_what_is_not_as_it_should_be_counts_as_not_said(line):
    assert vars(read("x", f"begin=1\n{line}\nend=1\n")) == vars(Facts())


@pytest.mark.parametrize("text", [
    "", "begin=1\n", "end=1\n", "no shell\n", "begin=1\n" + "x\n" * 500 + "end=1\n", "xbegin=1\nend=1\n", "begin=1\nend=10\n",
])  # fmt: skip
def test_what_is_no_answer(text):
    with pytest.raises(RefusedError, match="^x: its shell does not run what it was sent; allowed: a POSIX shell"):
        read("x", text)


def test_interfaces_without_a_line_and_what_provision_has_noted():
    facts = read("x", "begin=1\ndown=eth1\ninstalled=micropython-mbedtls\ninstalled=;reboot\ninstalled=--force\nend=1\n")
    assert (facts.down, facts.installed) == (["eth1"], ["micropython-mbedtls"])
