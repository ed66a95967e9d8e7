"""knockletctl: asks the running engine, on the gateway itself, as root.

    knockletctl.py [--run-dir DIR] [--json] REQUEST

    status | grants | close SERVICE [ADDRESS] | close --all | reload [--file] | arm | disarm | events

Exit codes: 0 done, 1 the engine refused, 2 wrong use or refused configuration, 3 no engine answers.
"""

import json
import socket
import sys

from .core.errors import KnockletError
from .edge import run_dir, whole_file
from .edge.control import SOCK_SEQPACKET, socket_address

_ANSWER_BYTES = 65536
_SERVICES = (
    ("/etc/init.d/knocklet", "/etc/init.d/knocklet start"),
    ("/lib/systemd/system/knocklet-engine.service", "systemctl start knocklet-engine"),
)
_USE = ("use: knockletctl [--run-dir DIR] [--json] "
        "status | grants | close SERVICE [ADDRESS] | close --all | reload [--file] | arm | disarm | events")  # fmt: skip


def _request(words):
    """The request for the words of a command line, or None when they are not understood."""
    if len(words) == 1 and words[0] in ("status", "grants", "reload", "arm", "disarm", "events"):
        return {"verb": words[0]}
    if words == ["reload", "--file"]:
        return {"verb": "reload", "file": True}
    if words == ["close", "--all"]:
        return {"verb": "close", "all": True}
    if words[:1] == ["close"] and 2 <= len(words) <= 3 and not words[1].startswith("-"):
        request = {"verb": "close", "service": words[1]}
        if len(words) == 3:
            request["source"] = words[2]
        return request
    return None


def _why(directory):
    """What is known of an engine that does not answer, and what starts it."""
    why = ""
    try:
        with open(directory + run_dir.ENDED) as file:
            why = ": it ended with: " + file.read()
    except OSError:
        pass  # none tried, or it was killed
    for file, start in _SERVICES:
        if whole_file.is_there(file):
            return "%s; start it: %s" % (why, start)
    return why


def _show(verb, answer):
    if verb == "grants":
        for grant in answer["grants"]:
            print("%(service)s for %(source)s by %(client)s, %(left_s)d s left" % grant)
        if not answer["grants"]:
            print("nobody is in")
    elif verb == "close":
        print("%d closed" % answer["closed"])
    elif verb in ("arm", "disarm"):
        print("armed" if answer["armed"] else "disarmed: knocks open nothing")
    elif verb == "reload":
        print("in force")
        for line in answer["warnings"]:
            print("warning: " + line)
    else:
        for key in sorted(answer):
            if key != "ok":
                print("%s: %s" % (key, answer[key] if isinstance(answer[key], str) else json.dumps(answer[key])))


def main(words):
    as_json = "--json" in words
    if as_json:
        words.remove("--json")
    directory = run_dir.DEFAULT
    if words[:1] == ["--run-dir"] and len(words) > 1:
        directory = words[1]
        words = words[2:]
    request = _request(words)
    if request is None:
        sys.stderr.write(_USE + "\n")
        return 2
    connection = socket.socket(socket.AF_UNIX, SOCK_SEQPACKET)
    try:
        connection.connect(socket_address(directory))
        connection.send(json.dumps(request).encode())
        answer = json.loads(connection.recv(_ANSWER_BYTES))
    except (OSError, ValueError, KnockletError):
        sys.stderr.write("knockletctl: no engine answers in %s (root only)%s\n" % (directory, _why(directory)))
        return 3
    if not answer["ok"]:
        sys.stderr.write("knockletctl: %s\n" % answer["error"])
        return 2 if request["verb"] == "reload" else 1
    if request["verb"] == "events":
        return _follow(connection)
    if as_json:
        print(json.dumps(answer))
    else:
        _show(request["verb"], answer)
    return 0


def _follow(connection):
    """Print one event a line until the engine goes away."""
    while True:
        try:
            line = connection.recv(_ANSWER_BYTES)
        except OSError:
            line = b""
        if not line:
            sys.stderr.write("knockletctl: the engine has gone\n")
            return 3
        print(str(line, "ascii"))
