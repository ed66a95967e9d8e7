"""What the engine does not start with: one line that names the key, or the part that is missing and why; exit 2."""

import ctypes
import json
import platform
import re
import struct
from pathlib import Path

import pytest
from net import kernel
from net.marks import one_firewall
from net.missing import command_without, without

from lab import LabError

ENGINE = "knocklet-engine: "
FIRMWARE = Path(__file__).parents[2] / "firmware"
AF_NETLINK, AF_PACKET = 16, 17
NETLINK_NETFILTER = 12
EPROTONOSUPPORT, EAFNOSUPPORT = 93, 97


@pytest.fixture
def config(config):
    config["services"] = {"ssh": {"index": 1, "port": 22}, "web": {"index": 2, "port": 80}}
    config["sequences"] = {"front": {"steps": ["7000/tcp", "9100/udp"], "open": ["ssh"]}}
    return config


def service(config, name, **changes):
    return config | {"services": config["services"] | {name: config["services"].get(name, {}) | changes}}


def sequence(config, **changes):
    return config | {"sequences": {"front": config["sequences"]["front"] | changes}}


MISTAKES = {
    "unknown key": (lambda c: c | {"colour": 1}, "colour: unknown key; allowed: clients, decoys, firewall, fwknop_port, id, "),
    "unknown key of a service": (lambda c: service(c, "ssh", prot=22), "services.ssh.prot: unknown key; allowed: approval, "),
    "port": (lambda c: service(c, "ssh", port=65558), "services.ssh.port: found 65558; allowed: a whole number, 1-65535"),
    "port as text": (lambda c: service(c, "ssh", port="22"), "services.ssh.port: found '22'; allowed: a whole number, 1-65535"),
    "no port": (lambda c: service(c, "new", index=3), "services.new.port: "),
    "quote": (lambda c: service(c, 's"sh', index=3, port=23), "services: found 's\"sh'; allowed: names of 1-32 characters"),
    "apostrophe": (lambda c: service(c, "s'sh", index=3, port=23), "services: found 's'sh'; allowed: names of 1-32 characters"),
    "command": (lambda c: c | {"interfaces": ["wan0;reboot"]}, "interfaces: found 'wan0;reboot'; allowed: interface names"),
    "line break": (lambda c: c | {"interfaces": ["wan0\n"]}, "interfaces: found 'wan0?'; allowed: interface names"),
    "one index": (lambda c: service(c, "web", index=1), "services.web.index: 1 is ssh's; allowed: an index of its own"),
    "one port": (lambda c: service(c, "web", port=22), "services.web.port: 22 is ssh's; allowed: a port of its own"),
    "no such service": (lambda c: sequence(c, open=["shh"]), "sequences.front.open: found 'shh'; allowed: names of services"),
    "step twice": (lambda c: sequence(c, steps=["1/tcp", "1/udp"]), "sequences.front.steps: found '1/udp'; allowed: "),
    "a step that is protected": (lambda c: sequence(c, steps=["22/tcp"]), "sequences.front.steps: 22/tcp is the port of "),
    "too many steps": (lambda c: sequence(c, steps=[f"{p}/tcp" for p in range(1000, 1066, 2)]), "sequences.front.steps: "),
    "open and close": (lambda c: sequence(c, close=["ssh"]), "sequences.front.open: found 'both or none'; allowed: "),
    "ttl and idle": (lambda c: service(c, "ssh", ttl=5, idle=5, max=9), "services.ssh.ttl: found 5; allowed: "),
    "idle alone": (lambda c: service(c, "ssh", idle=5), "services.ssh.idle: found 5; allowed: 'idle' and 'max' together"),
    "not JSON": (lambda c: json.dumps(c)[:-1] + ",}", "line 1: "),
    "a key twice": (lambda c: '{"decoys": 1, "decoys": 2}', "line 1: key 'decoys' given twice"),
    "after the end": (lambda c: json.dumps(c) + "}", "line 1: text after the end"),
    "empty": (lambda c: "", "line 1: "),
}


def refusal(lab, command, **options):
    """The line that this command says on standard error, and nothing else, before it ends with 2."""
    done = lab.gateway.run(command, check=False, timeout=10, **options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(ENGINE) and done.stderr.endswith("\n") and done.stderr.count("\n") == 1
    return done.stderr[len(ENGINE) : -1]


@one_firewall
def test_mistakes(lab, engine, config):
    """The same from --check, from a start, and from a reload, where what was in force stays."""
    wrong = {}
    for name, (change, said) in MISTAKES.items():
        engine.write_config(change(config))
        line = refusal(lab, engine.command("--check"))
        if not line.startswith(said):
            wrong[name] = line
    assert wrong == {}
    for name in ("port", "quote", "one index"):  # the three ways share the rest
        engine.write_config(MISTAKES[name][0](config))
        assert refusal(lab, engine.command()).startswith(MISTAKES[name][1])
    engine.write_config(config)
    engine.start()
    for name in ("port", "quote", "one index"):
        engine.write_config(MISTAKES[name][0](config))
        with pytest.raises(LabError, match="exit 2: knockletctl: " + re.escape(MISTAKES[name][1])):
            engine.reload()
    lab.knock(["7000/tcp", "9100/udp"])
    engine.expect_event("opened", service="ssh")


@one_firewall
def test_check(lab, engine, config):
    """Says that a good one is good, with its warnings, changes nothing and needs nothing to run."""
    done = lab.gateway.run(command_without(engine.command("--check"), "nft", "iptables-restore"))
    assert (done.stdout, done.stderr) == (f"{engine.config_path}: 2 services, 1 sequences, 0 clients: good\n", "")
    engine.write_config(config | {"decoys": 0})
    done = lab.gateway.run(engine.command("--check"))
    assert done.stderr == ENGINE + "decoys: 0: a sweep of all ports can do an ascending sequence\n"
    assert kernel.entries(lab) == {} and not engine.run_dir.exists()


@one_firewall
def test_files(lab, engine, config):
    """A configuration that others may write, or that is not there; a run directory that others may use."""
    engine.config_path.chmod(0o622)
    assert "others may write it; allowed: owner root, mode 0600" in refusal(lab, engine.command())
    engine.config_path.unlink()
    assert "cannot be read (error 2)" in refusal(lab, engine.command())
    engine.write_config(config)
    engine.run_dir.chmod(0o755)
    assert "must be a directory of root's with mode 0700" in refusal(lab, engine.command())


@one_firewall
def test_wrong_use(lab, engine):
    for words in (["--chek"], ["--config"], ["x"]):
        line = refusal(lab, [*engine.command()[:2], *words])
        options = "--agent-user VALUE, --clock VALUE, --config VALUE, --interfaces VALUE, --run-dir VALUE, "
        options += "--check, --safe, --syslog, --uninstall"
        assert line == f"{words[0]}: allowed: {options}"


TOOLS = {"ipset": ("iptables-restore", "iptables"), "nft": ("nft", "nftables")}


def test_missing_tool(lab, engine, firewall):
    """At the start, and at a reload."""
    tool, package = TOOLS[firewall]
    said = f"{tool}: not found: install the package {package}"
    assert refusal(lab, command_without(engine.command(), tool)) == said
    engine.start()
    with without(engine.process, tool), pytest.raises(LabError, match="exit 2: knockletctl: " + said):
        engine.reload()
    engine.reload()


@one_firewall
def test_no_tool_at_all(lab, engine, config):
    engine.write_config(config | {"firewall": "auto"})
    line = refusal(lab, command_without(engine.command(), "nft", "iptables-restore"))
    assert line.startswith("no firewall can be used: ")
    assert "install the package nftables" in line and "install the package iptables" in line


SYS_SOCKET = {"x86_64": 41, "aarch64": 198, "armv7l": 281}  # asm/unistd.h


def no_socket(domain, protocol, error):
    """For subprocess, as preexec_fn: the process and its children live with a kernel that has no such sockets.

    A seccomp filter answers socket(2) with the error of a kernel that was built without that part. Really taking the part
    away is not possible: what we need may be built in, and other tests need it.
    """
    load, equal, answer = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET
    number, first, third = 0, 16, 32  # offsets in struct seccomp_data: nr, and the low words of args[0] and args[2]
    refuse, allow = 0x00050000 | error, 0x7FFF0000  # SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW
    program = [(load, 0, 0, number), (equal, 0, 5, SYS_SOCKET[platform.machine()]), (load, 0, 0, first), (equal, 0, 3, domain)]
    program += [(load, 0, 0, third), (equal, 0, 1, protocol), (answer, 0, 0, refuse), (answer, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("@HBBI", *line) for line in program))
    whole = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)

    def in_the_child(_keep=code):
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, whole, 0, 0):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
            raise OSError(ctypes.get_errno(), "seccomp")

    return in_the_child


def test_kernel_without_netfilter(lab, engine):
    kernel_like_that = no_socket(AF_NETLINK, NETLINK_NETFILTER, EPROTONOSUPPORT)
    line = refusal(lab, engine.command(), preexec_fn=kernel_like_that)
    assert line == "no nfnetlink (error 93): needs the module nfnetlink (kmod-nfnetlink on OpenWrt)"


def test_kernel_without_packet_sockets(lab, engine):
    kernel_like_that = no_socket(AF_PACKET, 0, EAFNOSUPPORT)
    line = refusal(lab, engine.command(), preexec_fn=kernel_like_that)
    assert line == "interfaces: no packet socket (error 97): needs root and CONFIG_PACKET"


@pytest.mark.parametrize("right", ["net_admin", "net_raw"])
def test_without_a_right(lab, engine, right):
    """Root, but in a container that has taken a capability away."""
    command = ["setpriv", f"--bounding-set=-{right}", f"--inh-caps=-{right}", *engine.command()]
    assert refusal(lab, command) == f"no CAP_{right.upper()}: allowed: root with CAP_NET_ADMIN and CAP_NET_RAW"


@one_firewall
def test_knockletctl_tells_why(lab, engine, config):
    """What the last one ended with, as long as none runs."""
    def told(words="status"):
        done = lab.gateway.run(engine.ctl_command(words), check=False)
        assert (done.returncode, done.stdout) == (3, "")
        return done.stderr

    nobody = f"knockletctl: no engine answers in {engine.run_dir} (root only)"
    assert told() == nobody + "\n"
    engine.write_config(config | {"decoys": -1})
    line = refusal(lab, engine.command())
    assert told() == f"{nobody}: it ended with: {line}\n"
    engine.write_config(config)
    engine.start()
    assert not lab.gateway.run(engine.command(), check=False).stdout  # another one: what it says is not about the first
    engine.kill()
    assert told() == nobody + "\n"


@one_firewall
@pytest.mark.parametrize("file, start", [
    ("/etc/init.d/knocklet", "/etc/init.d/knocklet start"),
    ("/usr/lib/systemd/system/knocklet-engine.service", "systemctl start knocklet-engine"),
])  # fmt: skip
def test_knockletctl_tells_what_starts_it(lab, engine, tmp_path, file, start):
    """Where there is a service. Its file is there for this process only."""
    folder, _, name = file.rpartition("/")
    (tmp_path / name).touch()
    command = ["sh", "-c", f'mount --bind {tmp_path} {folder} && exec "$@"', "sh", *engine.ctl_command("grants")]
    done = lab.gateway.run(command, check=False)
    assert done.stderr == f"knockletctl: no engine answers in {engine.run_dir} (root only); start it: {start}\n"


@one_firewall
@pytest.mark.parametrize("module", ["knocklet.engine", "knocklet.agent", "knocklet.ctl"])
def test_interpreter_without_ffi(lab, engine, module):
    """A MicroPython that somebody built without it: its module is gone before anything imports it."""
    script = f"import sys; sys.modules['ffi'] = None; sys.path[:] = ['{FIRMWARE}']; from {module} import main; main([])"
    done = lab.gateway.run([*engine.command()[:1], "-c", script], check=False)
    assert (done.returncode, done.stdout) == (2, "")
    needs = "needs the package micropython-mbedtls (OpenWrt) or micropython"
    assert done.stderr == f"knocklet: this MicroPython has no ffi: {needs}\n"


@one_firewall
def test_a_refusal_is_no_crash(lab, engine, config):
    """Starts that end with a line do not lead to safe mode: when the reason is gone, all of it starts."""
    engine.run_dir.mkdir(mode=0o700)
    starts = engine.run_dir / "starts"
    starts.write_text("1\n2\n3\n4\n")
    engine.write_config(config | {"decoys": -1})
    refusal(lab, engine.command())
    assert not starts.exists()
    starts.write_text("1\n")
    engine.write_config(config)
    engine.start()
    assert starts.exists()
