"""Test vectors of the wire formats, made by somebody else from their description: tests/vectors/wire_v1.json."""

import json

_FOLDER = __file__.rsplit("/", 2)[0] + "/vectors/"


def vectors(kind):
    """The cases of one kind: spa, otp, sealed, report, refused_spa, refused_sealed."""
    with open(_FOLDER + "wire_v1.json") as file:
        return json.load(file)[kind]
