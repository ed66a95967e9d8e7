"""TOML: the line of every value, however it is written, of every mistake; and edits that leave all else as it was."""

import tomllib

import pytest

from knocklet_tool import toml_lines
from knocklet_tool.errors import InputError
from knocklet_tool.toml_edit import TomlEdit

ALL_WAYS = '''\
# a comment
id = "home"

clients.anna.open = [   # dotted, and over several lines
    "ssh",
    # a comment among them
    "camera", "door",
]
text = """
[services.none]
# not a comment
"""

[services]
ssh = {index = 1, port = 22}
door.index = 3
door.port = 80

[services.camera]   # a table
index = 2
to = "192.168.1.50:80"

[sequences.family]
steps = ["7000/tcp", "8000/tcp",
         "9000/tcp"]

[ clients . bert ]
open = ["ssh"]

[[list]]
a = 1
[[list]]
a = 2
'''


@pytest.mark.parametrize(
    "path, line",
    [
        ((), 1),
        (("id",), 2),
        (("clients", "anna"), 4),
        (("clients", "anna", "open"), 4),
        (("clients", "anna", "open", 0), 5),
        (("clients", "anna", "open", 1), 7),
        (("clients", "anna", "open", 2), 7),
        (("clients",), 4),
        (("text",), 9),
        (("services",), 14),
        (("services", "ssh"), 15),
        (("services", "ssh", "port"), 15),
        (("services", "door"), 16),
        (("services", "door", "port"), 17),
        (("services", "camera"), 19),
        (("services", "camera", "to"), 21),
        (("sequences",), 23),
        (("sequences", "family", "steps", 2), 25),
        (("clients", "bert"), 27),
        (("clients", "bert", "open", 0), 28),
        (("list",), 30),
        (("list", 1, "a"), 33),
        (("nothing",), 1),   # what is not there: the line of what it would be in
        (("services", "camera", "port"), 19),
        (("services", "ssh", "to"), 15),
        (("services", "door", "to"), 16),
        (("services", "none"), 14),
        (("clients", "anna", "open", 9), 4),
        (("id", "deeper"), 2),
    ],
)
def test_lines(path, line):
    assert toml_lines.line_of(ALL_WAYS, path) == line


def test_every_value_is_found():
    """All leaves at once: the line that is told has the value in it."""
    def leaves(value, path=()):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key)) if isinstance(each, (dict, list)) else [((*path, key), each)]

    lines = ALL_WAYS.splitlines()
    found = [each for each in leaves(tomllib.loads(ALL_WAYS)) if each[0] != ("text",)]
    assert len(found) > 15
    for path, value in found:
        assert str(value) in lines[toml_lines.line_of(ALL_WAYS, path) - 1], path


@pytest.mark.parametrize(
    "data, line, why",
    [
        (b"a = 1\nb = \n", 2, "not TOML: "),
        (b"a = 1\n\na = 2\n", 3, "not TOML: Cannot overwrite a value"),
        (b"[a]\nb = 1\n[a]\n", 3, "not TOML: Cannot declare ('a',) twice"),
        (b'a = "\n', 1, "not TOML: Illegal character '\\n'"),
        (b"a = [1,\n2,\n", 2, "not TOML: "),
        (b"a\n", 1, "not TOML: "),
        (b"a = 1\nb = '\xff'\n", 2, "byte 0xff: allowed: UTF-8"),
        (b"a = " + 5000 * b"[", 1, ""),
    ],
)
def test_mistakes(data, line, why):
    with pytest.raises(InputError) as caught:
        toml_lines.parse(data, "home.toml")
    assert str(caught.value).startswith(f"home.toml:{line}: {why}"), caught.value
    assert "\n" not in str(caught.value)


OWN = """\
# top
id = "home"   # c

# about ssh
[services.ssh]   # s
port = 22

[clients.anna]   # a
open = [
  "ssh",   # b
]
# kinds = ["spa"]

# revoked ones
[revoked]
a = "1"   # x

# the end
"""


def added(text, group="clients", name="bert"):
    edit = TomlEdit(text)
    edit.add_table(group, name, {"open": ["ssh"]})
    assert tomllib.loads(edit.text)[group][name] == {"open": ["ssh"]}
    return edit.text


def removed(text, group, name):
    edit = TomlEdit(text)
    edit.remove_table(group, name)
    assert name not in tomllib.loads(edit.text).get(group, {})
    return edit.text


def test_a_table_is_put_after_the_last_of_its_group():
    new = '\n[clients.bert]\nopen = ["ssh"]\n'
    assert added(OWN) == OWN.replace('# kinds = ["spa"]\n', '# kinds = ["spa"]\n' + new)
    assert added(OWN, "sequences") == OWN + new.replace("clients", "sequences")


def test_a_table_is_taken_out_and_no_other_comment():
    gone = '[clients.anna]   # a\nopen = [\n  "ssh",   # b\n]\n# kinds = ["spa"]\n\n'
    assert removed(OWN, "clients", "anna") == OWN.replace(gone, "")
    assert removed(OWN, "services", "ssh") == OWN.replace("[services.ssh]   # s\nport = 22\n", "")
    assert removed(added(OWN), "clients", "bert") == OWN
    assert removed(added(OWN, "sequences"), "sequences", "bert") == OWN


@pytest.mark.parametrize(
    "text",
    [
        'id = "x"',
        'id = "x"\nclients = {anna = {open = ["a"]}}\n',
        'clients.anna.open = ["a"]\n[services.ssh]\nport = 1\n',
        'id = "x"\n[clients]\nanna = {open = ["a"]}\n\n# b\n[services.ssh]\nport = 1\n',
        '[clients]\nanna.open = ["a"]   # c\n\n# b\n[services.ssh]\nport = 1\n',
        '[services.ssh]\na = 1\n[clients.anna]\nopen = ["a"]\n# b\n[services.b]\na = 2\n[clients."c"]\nopen = ["b"]\n',
        'text = """\n[clients.no]\n"""\nlist = [\n[1],\n]\n[ clients.anna ]\nopen = ["a"]\n',
        "[clients.anna]\r\nopen = ['a']\r\n\r\n# b\r\n[x]\r\n",
    ],
)
def test_tables_in_every_form(text):
    """Nothing but the one table changes, and every comment stays."""
    before = tomllib.loads(text)
    both = added(text)
    assert {**tomllib.loads(both), "clients": None} == {**before, "clients": None}
    after = tomllib.loads(removed(both, "clients", "bert"))
    assert after == before
    if "anna" in text:
        none = removed(text, "clients", "anna")
        assert {**tomllib.loads(none), "clients": None} == {**before, "clients": None}
        assert none.count("# b") == text.count("# b")


def test_values_are_changed_in_the_document():
    for text in ("", "a = 1", "# b\n", "[a]\n"):
        edit = TomlEdit(text)
        edit.add_value("retired", [3])
        assert tomllib.loads(edit.text) == tomllib.loads(text) | {"retired": [3]}
    edit = TomlEdit(OWN)
    edit.document["clients"]["anna"]["open"].append("door")
    edit.add_value("retired", [3])
    assert edit.text.startswith('# top\nid = "home"   # c\nretired = [3]\n')
    assert tomllib.loads(edit.text)["clients"]["anna"]["open"] == ["ssh", "door"]
    assert [line for line in OWN.splitlines() if "#" in line] == [line for line in edit.text.splitlines() if "#" in line]
