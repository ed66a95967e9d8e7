"""Stands in for jshn and jsonfilter, under MicroPython. What jshn makes, and the place in it, are kept in a file."""

import json
import sys

_STATE = "/tmp/json"


def _whole():
    with open(_STATE) as file:
        return json.load(file)


def _keep(made, place):
    with open(_STATE, "w") as file:
        json.dump([made, place], file)


def main(call, *words):
    if call == "get":
        with open(words[0]) as file:
            print(json.load(file).get(words[1], ""))
        return 0
    if call == "init":
        _keep({}, [])
        return 0
    made, place = _whole()
    if call == "load_file":
        try:
            with open(words[0]) as file:
                made = json.load(file)
        except ValueError:
            made = {}
    here = made
    for name in place:
        here = here[name]
    if call == "dump":
        print(json.dumps(made))
    elif call == "select":
        if not isinstance(here.get(words[0]), dict):
            return 1
        place.append(words[0])
    elif call == "add_object":
        here[words[0]] = {}
        place.append(words[0])
    elif call == "add_int":
        here[words[0]] = int(words[1])
    elif call == "add_boolean":
        here[words[0]] = words[1] == "1"
    elif call == "add_string":
        here[words[0]] = words[1]
    _keep(made, place)
    return 0


sys.exit(main(*sys.argv[1:]))
