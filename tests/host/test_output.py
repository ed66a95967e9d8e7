"""What is printed where. No escape sequence of others gets to the terminal, and with NO_COLOR none of ours."""

import io
import json
import re

import pytest

from knocklet_tool import output
from knocklet_tool.output import Output

pytestmark = pytest.mark.usefixtures("no_sockets")

NASTY = "a\x1b[31mb\nc\rd\x9b2Je\u202ef"   # colour, line break, carriage return, C1 control, right-to-left override
PLAIN = "".join(sign if sign.isprintable() else "?" for sign in NASTY)


class Report:
    def as_lines(self):
        return [("first", "green"), ("[bold]second[/bold] :smile: 1.5 " + "x" * 200, "")]

    def as_json(self):
        return {"name": NASTY}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Call it: (stdout, stderr), both terminals that can do colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def replace():   # not here: pytest sets both anew after the fixtures
        streams = Terminal(), Terminal()
        monkeypatch.setattr("sys.stdout", streams[0])
        monkeypatch.setattr("sys.stderr", streams[1])
        return streams

    return replace


def test_result_as_text(capsys):
    Output().result(Report())
    as_it_is = "first\n[bold]second[/bold] :smile: 1.5 " + "x" * 200 + "\n"
    assert capsys.readouterr() == (as_it_is, "")


def test_result_as_json(capsys):
    Output(json=True).result(Report())
    stdout, stderr = capsys.readouterr()
    assert json.loads(stdout) == {"name": NASTY}
    assert stdout.isascii() and stdout.count("\n") == 1 and stderr == ""


def test_json_is_strict(capsys):
    report = Report()
    report.as_json = lambda: {"ms": float("nan")}
    with pytest.raises(ValueError):
        Output(json=True).result(report)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "options, message, remark",
    [({}, "m\n", "r\n"), ({"json": True}, "m\n", ""), ({"quiet": True}, "", "")],
)
def test_messages(capsys, options, message, remark):
    Output(**options).message("m")
    assert capsys.readouterr() == ("", message)
    Output(**options).remark("r")
    assert capsys.readouterr() == ("", remark)


def test_colour_on_a_terminal(terminal):
    stdout, stderr = terminal()
    Output().result(Report())
    Output().remark("r")
    output.error("e")
    assert "\x1b[32mfirst" in stdout.getvalue()
    assert "\x1b[2mr" in stderr.getvalue() and "\x1b[31mknocklet: e" in stderr.getvalue()


def test_no_color(terminal, monkeypatch):
    stdout, stderr = terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    Output().result(Report())
    Output().remark("r")
    output.error("e")
    assert "first\n" in stdout.getvalue() and "r\nknocklet: e\n" in stderr.getvalue()
    assert "\x1b" not in stdout.getvalue() + stderr.getvalue()


def test_an_empty_no_color_does_not_count(terminal, monkeypatch):   # no-color.org: "present and not an empty string"
    stdout, _ = terminal()
    monkeypatch.setenv("NO_COLOR", "")
    Output().result(Report())
    assert "\x1b[32m" in stdout.getvalue()


def test_control_characters_of_others(capsys):
    output.error(NASTY)
    assert capsys.readouterr().err == "knocklet: a?[31mb?c?d?2Je?f\n"


def test_what_is_being_done(terminal, capsys, monkeypatch):
    """It moves on a terminal, unless nobody wants escape sequences; what others put into it stays text."""
    with Output().working(NASTY):
        pass
    assert re.fullmatch(rf"  {re.escape(PLAIN)}: done, \d+\.\d s\n", capsys.readouterr().err)
    with Output(quiet=True).working("x"):
        pass
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ValueError), Output().working("x"):
        raise ValueError
    assert capsys.readouterr().err == ""   # it was not done
    _, stderr = terminal()
    with Output().working(NASTY):
        pass
    assert "\x1b[?25l" in stderr.getvalue() and "\x1b[31mb" not in stderr.getvalue() and PLAIN in stderr.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    _, stderr = terminal()
    with Output().working("x"):
        pass
    assert re.fullmatch(r"  x: done, \d+\.\d s\n", stderr.getvalue())
