"""The engine's side of the socket, as core/agent_messages.py has it, by hand."""

import os
import socket
import struct
import threading
import time
from pathlib import Path

from agent.agent_process import NAME, USER_ID
from agent.waiting import PATIENCE_S, until


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
                while data := client.recv(131_072):
                    self.messages.append(data)
                    while not self.reading:
                        time.sleep(0.01)
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
