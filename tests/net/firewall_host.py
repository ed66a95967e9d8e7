"""A host of the firewall tests: runs inside one network namespace and does what it is told, a JSON line at a time.

    {"do": "probe", ...}  ->  {"ok": "open"}        what each does is said below; answers are "open", "refused" or "silent"
"""

import ctypes
import json
import select
import socket
import struct
import sys
import threading
import time

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
BANNER = b"hello\n"
kept = {}  # name -> connected socket


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(protocol, address, port):
    """Serve: TCP says hello and then echoes; UDP echoes."""
    server = socket.socket(family(address), KINDS[protocol])
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family(address) == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((address, port))
    if protocol == "tcp":
        server.listen(64)
    threading.Thread(target=serve_tcp if protocol == "tcp" else serve_udp, args=(server,), daemon=True).start()


def serve_tcp(server):
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve_connection, args=(connection,), daemon=True).start()


def serve_connection(connection):
    """After "stream", a line every 50 ms, whether the other side says something or not."""
    connection.sendall(BANNER)
    try:
        while data := connection.recv(1000):
            connection.sendall(data)
            while data == b"stream":
                connection.sendall(b"more\n")
                time.sleep(0.05)
    except OSError:
        pass


def serve_udp(server):
    streams = set()

    def stream(peer):
        while True:
            server.sendto(b"more", peer)
            time.sleep(0.05)

    while True:
        data, peer = server.recvfrom(1000)
        server.sendto(data, peer)
        if data == b"stream" and peer not in streams:
            streams.add(peer)
            threading.Thread(target=stream, args=(peer,), daemon=True).start()


def open_socket(protocol, source, port=0):
    made = socket.socket(family(source), KINDS[protocol])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((source, port))
    return made


def probe(protocol, source, to, port, wait=0.25, source_port=0):
    """Does a fresh connection get an answer?"""
    with open_socket(protocol, source, source_port) as made:
        return answer(made, protocol, to, port, wait)


def answer(made, protocol, to, port, wait):
    made.settimeout(wait)
    try:
        made.connect((to, port))
        if protocol == "udp":
            made.send(b"ping")
        return "open" if made.recv(1000) else "closed"
    except ConnectionRefusedError:
        return "refused"
    except (TimeoutError, OSError) as error:
        if isinstance(error, TimeoutError):
            return "silent"
        raise


def connect(name, protocol, source, to, port, wait=1.0):
    """As probe, and the connection is kept under `name`."""
    kept[name] = open_socket(protocol, source)
    return answer(kept[name], protocol, to, port, wait)


def talk(name, text="ping", wait=0.3):
    """Say something on a kept connection: "echo", "silent" or "reset"."""
    made = kept[name]
    made.settimeout(wait)
    try:
        made.send(text.encode())
        end = time.monotonic() + wait
        while time.monotonic() < end:
            if text.encode() in made.recv(1000):
                return "echo"
    except TimeoutError:
        return "silent"
    except OSError:
        return "reset"
    return "silent"


def hears(name, wait=0.3):
    """Does anything arrive on a kept connection, after what is waiting there already?"""
    made = kept[name]
    made.setblocking(False)
    try:
        while made.recv(65536):
            pass
    except BlockingIOError:
        pass
    except OSError:
        return False
    return bool(select.select([made], [], [], wait)[0])


def hammer(protocol, source, to, port, seconds):
    """Probe all the time, each from a fresh port; how often each answer came."""
    counts = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe(protocol, source, to, port, 0.02)
        counts[found] = counts.get(found, 0) + 1
    return counts


def answers_raw(interface, source, to, protocol, ports, flags=0x02):
    """Send one bare packet to each port. What comes back for each: the answer's headers in hex, without what differs by
    nature (addresses, ports, checksums, the running number of ICMP packets, and what is quoted), or None."""
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    listener.bind((interface, 0))
    listener.settimeout(0.3)
    number = 6 if protocol == "tcp" else 17
    sender = socket.socket(family(source), socket.SOCK_RAW, number)
    sender.bind((source, 0))
    found = {}
    for index, port in enumerate(ports):
        own = 40000 + index
        if protocol == "tcp":
            body = struct.pack(">HHIIBBHHH", own, port, 1000, 2000, 0x50, flags, 1024, 0, 0)
            at = 16
        else:
            body = struct.pack(">HHHH", own, port, 12, 0) + b"ping"
            at = 6
        pseudo = socket.inet_pton(family(source), source) + socket.inet_pton(family(to), to)
        pseudo += struct.pack(">II", len(body), number)  # the sum is the same for IPv4's order of the two
        body = body[:at] + struct.pack(">H", checksum(pseudo + body)) + body[at + 2 :]
        sender.sendto(body, (to, 0))
        found[str(port)] = reply(listener, own)
    return found


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def reply(listener, own):
    """The first incoming packet that answers what was sent from port `own`."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        try:
            data, place = listener.recvfrom(2000)
        except TimeoutError:
            return None
        if place[2] == socket.PACKET_OUTGOING:
            continue
        v4 = data[0] >> 4 == 4
        head, kind = (20, data[9]) if v4 else (40, data[6])
        fixed = (data[:4] + (data[4:6] if kind == 6 else b"") + data[6:10]).hex() if v4 else data[:8].hex()
        if kind == 6 and struct.unpack_from(">H", data, head + 2)[0] == own:
            return fixed + " tcp " + data[head + 4 : head + 16].hex()
        if kind in (1, 58):
            quoted = head + 8 + (20 if v4 else 40)
            if len(data) > quoted + 2 and struct.unpack_from(">H", data, quoted)[0] == own:
                return fixed + " icmp " + data[head : head + 2].hex()
    return None


def close(name):
    kept.pop(name).close()


def main():
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: never outlives the test run
    for line in sys.stdin:
        order = json.loads(line)
        try:
            done = {"ok": globals()[order.pop("do")](**order)}
        except Exception as error:  # told to the test, which fails with it
            done = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
