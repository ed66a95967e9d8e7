"""Somebody outside with a computer of his own: a host of the lab, and the `knocklet` command with a home that is only his."""

import os
from pathlib import Path

KNOCKLET = Path(__file__).resolve().parent.parent.parent / ".venv" / "bin" / "knocklet"


def at_home(home):
    """The environment of who has his home in this directory, and prints for others to read."""
    environment = {**os.environ, "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "160"}
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        environment.pop(variable, None)
    return environment


class Visitor:
    def __init__(self, lab, host, name):
        self.host = host
        self.home = lab.directory / name
        self.home.mkdir(mode=0o700)
        self.environment = at_home(self.home)

    def run(self, command, check=True, **options):
        """Any command, as he would. LabError with its line when it fails."""
        return self.host.run(command, env=self.environment, check=check, **options)

    def knocklet(self, *words, check=True, **options):
        return self.run([KNOCKLET, *words], check, **options)
