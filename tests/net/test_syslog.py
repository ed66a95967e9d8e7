"""The engine's log in syslog: a /dev of its own, in a mount namespace, with a /dev/log that the test reads.

The engine's standard output stays empty then; a log that is away costs lines, never the engine.
"""

import os
import signal
import subprocess
import sys

from net.marks import one_firewall

from lab.waiting import wait_until

STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
# Arguments: a directory, the engine's command. Prints what comes to /dev/log, a line each; SIGUSR1 takes /dev/log away.
SYSLOG = """
import os, signal, socket, subprocess, sys
place, command = sys.argv[1], sys.argv[2:]
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
for name, minor in (("null", 3), ("urandom", 9), ("random", 8)):
    os.mknod(place + "/" + name, 0o20666, os.makedev(1, minor))
subprocess.run(["mount", "--move", place, "/dev"], check=True)
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log")
signal.signal(signal.SIGUSR1, lambda *_: os.remove("/dev/log"))
engine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
signal.signal(signal.SIGTERM, lambda *_: engine.kill())
log.settimeout(0.2)
while engine.poll() is None:
    try:
        print(log.recv(4096).decode(), flush=True)
    except TimeoutError:
        pass
print("stdout", engine.stdout.read(), flush=True)
"""


@one_firewall
def test_syslog(lab, engine, tmp_path):
    (tmp_path / "dev").mkdir()
    command = ["unshare", "-m", sys.executable, "-c", SYSLOG, tmp_path / "dev", *engine.command("--syslog")]
    process = lab.gateway.popen(command, stdout=subprocess.PIPE, text=True)
    heard = []

    def expect(words):
        for line in process.stdout:
            heard.append(line)
            if words in line:
                return line
        raise AssertionError(f"no {words} in {heard}")

    assert expect('"started"').startswith("<30>knocklet-engine: {")
    assert expect("ready, firewall").startswith("<30>knocklet-engine: ready, firewall nft")
    lab.knock(STEPS)
    expect('"opened"')
    os.kill(process.pid, signal.SIGUSR1)  # the system's log is restarted, or gone
    wait_until(lambda: not os.path.exists(f"/proc/{process.pid}/root/dev/log"), "it is gone")
    lab.knock(["8000/tcp", "7000/tcp"])
    lab.knock(STEPS)
    wait_until(lambda: lab.tcp_open(lab.gateway.ip4, 22) == "open", "the door is open")
    wait_until(lambda: engine.ctl("status")["log_dropped"] >= 2, "lines are counted as dropped")
    process.terminate()
    assert expect("stdout").strip() == "stdout b''"
