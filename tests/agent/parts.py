"""What the tests of the agent play with: a broker, certificates, an engine's side of the socket, and the agent itself."""

import datetime
import ipaddress
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"
NAME = "attic"
PASSWORD = "a-password-to-look-for"
USER = "nobody"
USER_ID = 65534
PATIENCE_S = 30


def until(condition, what, patience_s=PATIENCE_S):
    """What `condition` gives as soon as it is true."""
    end = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < end, f"not in {patience_s} s: {what}"
        time.sleep(0.01)
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Authority:
    """A CA, and server certificates by it."""

    def __init__(self, directory, name="ca"):
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key, 3650, [(x509.BasicConstraints(ca=True, path_length=None), True)])
        self.pem = directory / f"{name}.pem"
        self.pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.der = directory / f"{name}.der"
        self.der.write_bytes(certificate.public_bytes(serialization.Encoding.DER))

    def _sign(self, subject, key, days, extensions, age_days=400):
        begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=age_days)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number(), begin,
                                          begin + datetime.timedelta(days=age_days + days))  # fmt: skip
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())

    def server(self, name, days=300, age_days=400):
        """(certificate file, key file) for this name or address, good for so many days more."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            names = [x509.IPAddress(ipaddress.ip_address(name))]
        except ValueError:
            names = [x509.DNSName(name)]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, days, [(x509.SubjectAlternativeName(names), False)], age_days)
        files = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        files[1].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
        )
        return files


class Mosquitto:
    """A real broker on loopback. server: (certificate, key) for TLS. What it keeps is kept in memory: a restart wipes it."""

    def __init__(self, directory, server=None, port=None):
        self.port = port or free_port()
        self._config = directory / "mosquitto.conf"
        tls = f"certfile {server[0]}\nkeyfile {server[1]}\n" if server else ""
        self._config.write_text(f"user root\nlistener {self.port} 127.0.0.1\n{tls}allow_anonymous true\nlog_dest none\n")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", self._config])
        until(self._answers, "mosquitto listens")
        return self

    def _answers(self):
        assert self.process.poll() is None, "mosquitto ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Engine:
    """The engine's side of the socket. `messages`: what the agent has sent, as bytes, in order."""

    def __init__(self, run_dir, name=NAME):
        self.name = name
        self.messages = []
        self.connections = 0
        self.reading = True
        self._folder = Path(f"{run_dir}-agent")
        self._folder.mkdir(exist_ok=True)
        self._listener = None
        self._client = None
        self._closing = False

    def start(self):
        path = self._folder / "engine"
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        os.chown(path, USER_ID, -1)
        self._listener.listen(1)
        self._closing = False
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()
        return self

    def _serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._client = client
            client.send(b"H\1" + self.name.encode())
            self.connections += 1
            try:
                while data := client.recv(65536):
                    self.messages.append(data)
            except OSError:
                pass
            client.close()

    def stop(self):
        """Gone at once, as by kill -9."""
        for end in (self._listener, self._client):
            if end:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
        self._listener = self._client = None

    def publish(self, topic, payload, token=0, retain=False):
        self._client.send(b"P" + struct.pack(">BIB", retain, token, len(topic)) + topic.encode() + payload)

    def starts(self):
        return self.messages.count(b"S")

    def acknowledged(self):
        return [struct.unpack(">I", message[1:])[0] for message in list(self.messages) if message[:1] == b"A"]

    def requests(self):
        """(verb, payload) of each."""
        found = [message[1:] for message in list(self.messages) if message[:1] == b"R"]
        return [(data[1 : 1 + data[0]].decode(), data[1 + data[0] :]) for data in found]

    def wait_for_start(self, count=1, patience_s=PATIENCE_S):
        until(lambda: self.starts() >= count, f"START {count}", patience_s)


class Agent:
    """The agent under MicroPython. `quick`: from source, with short deadlines (quick_agent.py); else as a gateway gets it."""

    def __init__(self, directory, bits=64):
        self.directory = directory
        self.run_dir = directory / "run"
        self.config = {}
        self._log = directory / "agent.log"
        self._bits = bits
        self.process = None

    def configure(self, port, ca=None, **more):
        broker = {"host": "127.0.0.1", "port": port, "password": PASSWORD, "tls": ca is not None}
        if ca:
            broker["ca"] = str(ca)
        for key in ("host", "server_name", "password"):
            if key in more:
                broker[key] = more.pop(key)
        self.config = {"broker": broker, **more}
        return self

    def command(self, quick=False, user=USER):
        path = self.directory / "agent.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.config))
        interpreter = BUILD / "micropython" / str(self._bits) / "micropython"
        script = HERE / "quick_agent.py" if quick else BUILD / "firmware" / "knocklet_agent.py"
        return [interpreter, script, "--config", path, "--run-dir", self.run_dir, "--user", user]

    def start(self, quick=False):
        # The log is opened here: the agent's user could not.
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self.command(quick), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self):
        return self._log.read_text() if self._log.exists() else ""

    def expect_log(self, text, patience_s=PATIENCE_S):
        def found():
            assert self.process.poll() is None, f"the agent ended: {self.log()}"
            return text in self.log()

        try:
            until(found, f"the log says '{text}'", patience_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def status(self):
        """/proc/PID/status as name -> text."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_kb(self):
        """Anonymous resident memory."""
        return int(self.status()["RssAnon"].split()[0])

    def wakeups(self):
        """How often it has been put to sleep by itself."""
        return int(self.status()["voluntary_ctxt_switches"])


def open_folder(path):
    """A folder that the agent's user can walk through, with everything above it below /tmp."""
    for folder in (path, *path.parents):
        if folder == Path("/tmp") or folder == Path("/"):
            break
        folder.chmod(folder.stat().st_mode | 0o011)
    return path


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
