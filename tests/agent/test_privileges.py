"""What the agent may do once it runs: nothing that its user could not."""

import os
import subprocess

import pytest

from agent.agent_process import BUILD, USER, USER_ID

TRY = """
import sys
sys.path[:] = [sys.argv[1]]
from knocklet.edge import libc, privileges
privileges.drop(sys.argv[2])
for path in sys.argv[3:]:
    try:
        open(path).close()
        print("opened", path)
    except OSError as error:
        print(error.errno)
print(libc.setuid(0), libc.getuid())
"""
_EACCES = 13
FIRMWARE = BUILD.parent / "firmware"  # the source: in the build, the names of its parts are short


@pytest.mark.parametrize("agent", [64, 32], indirect=True)
def test_identity(agent, engine, broker):
    agent.configure(broker.port).start()
    engine.wait_for_start()
    status = agent.status()
    assert status["Uid"].split() == status["Gid"].split() == [str(USER_ID)] * 4
    assert status["Groups"] == ""
    assert {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapAmb", "CapInh")} == dict.fromkeys(
        ("CapPrm", "CapEff", "CapAmb", "CapInh"), 0
    )
    assert status["NoNewPrivs"] == "1"
    # Not dumpable: what belongs to the process in /proc is root's.
    assert os.stat(f"/proc/{agent.process.pid}/environ").st_uid == 0


@pytest.mark.parametrize("bits", [64, 32])
def test_what_it_cannot_read(directory, bits):
    """Tried by a process that has dropped as the agent does: files of root's, as the engine's key and state are."""
    key = directory / "key"
    key.touch(mode=0o600)
    folder = directory / "state"
    folder.mkdir(mode=0o700)
    (folder / "seen").touch(mode=0o666)
    script = directory / "try.py"
    script.write_text(TRY)
    interpreter = BUILD / "micropython" / str(bits) / "micropython"
    paths = ["/etc/shadow", key, folder / "seen", "/proc/1/mem"]
    ran = subprocess.run([interpreter, script, FIRMWARE, USER, *paths], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [str(_EACCES)] * len(paths) + [f"-1 {USER_ID}"], ran.stdout


@pytest.mark.parametrize("tool", [["nft", "list", "ruleset"], ["iptables", "-S"], ["ipset", "list"]], ids=lambda tool: tool[0])
def test_rules_are_out_of_reach(tool):
    """The same identity and the tools of the firewall: neither list nor change."""
    ran = subprocess.run(["/usr/bin/setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups", "--no-new-privs",
                          *tool], capture_output=True, text=True, check=False, env={"PATH": "/usr/sbin:/usr/bin"})  # fmt: skip
    assert ran.returncode != 0


@pytest.mark.parametrize("user", ["no-such-user", "root"])
def test_never_as_root(agent, engine, broker, user):
    """One line that says which user is missing, and nobody has been talked to."""
    agent.configure(broker.port)
    ran = subprocess.run(agent.command(user=user), capture_output=True, text=True, check=False, timeout=20)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1
    assert f"user {user}: " in ran.stderr
    assert engine.connections == 0


def test_started_by_a_service_manager(agent, engine, broker):
    """Not as root: it stays who it is, when its configuration is root's and lets its group read."""
    agent.configure(broker.port)
    command = agent.command(user="no-such-user")
    config = agent.directory / "agent.json"
    drop = ["/usr/bin/setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups"]
    ran = subprocess.run(drop + command, capture_output=True, text=True, check=False, timeout=20)
    assert (ran.returncode, ran.stderr) == (2, f"knocklet-agent: {config}: cannot be read (error {_EACCES})\n")
    os.chown(config, USER_ID + 1, USER_ID)
    config.chmod(0o440)
    ran = subprocess.run(drop + command, capture_output=True, text=True, check=False, timeout=20)
    line = f"knocklet-agent: {config}: others may write it; allowed: owner root, mode 0600\n"
    assert (ran.returncode, ran.stderr) == (2, line)
    os.chown(config, USER_ID, USER_ID)  # as systemd gives it a credential
    config.chmod(0o400)
    assert subprocess.run([*drop, *command, "--check"], check=False).returncode == 0
    os.chown(config, 0, USER_ID)
    config.chmod(0o640)
    agent.process = subprocess.Popen(drop + command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    engine.wait_for_start()
    assert agent.status()["NoNewPrivs"] == "1"
    assert os.stat(f"/proc/{agent.process.pid}/environ").st_uid == 0


@pytest.mark.parametrize("right", ["setuid", "net_admin"])
def test_rights_of_a_service_manager(directory, right):
    """A service manager that gives the user rights, as the one to become root again: refused."""
    script = directory / "try.py"
    script.write_text(TRY)
    interpreter = BUILD / "micropython" / "64" / "micropython"
    command = ["/usr/bin/setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups", f"--inh-caps=+{right}",
               f"--ambient-caps=+{right}", interpreter, script, FIRMWARE, USER]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "would keep rights" in ran.stderr + ran.stdout


def test_nothing_else_is_imported(agent, engine, broker):
    """A json.py in the folder that it is started from changes nothing."""
    (agent.directory / "json.py").write_text("raise SystemExit(9)\n")
    ran = subprocess.run(agent.configure(broker.port).command() + ["--check"], cwd=agent.directory, capture_output=True,
                         text=True, check=False)  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, f"{agent.directory}/agent.json: good\n")
