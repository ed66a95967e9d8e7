"""A system without one of its parts. Each process of the lab has its own view of the file system: ours stays whole."""

import os
import shutil
from contextlib import contextmanager

from lab.host import run


@contextmanager
def without(process, tool, instead="/dev/null"):
    """For this running process (Popen) there is no such tool meanwhile, by whatever name it has, or another one instead."""
    place = os.path.realpath(shutil.which(tool))
    view = ["nsenter", f"--mount=/proc/{process.pid}/ns/mnt"]
    run([*view, "mount", "--bind", instead, place])
    try:
        yield
    finally:
        run([*view, "umount", place], check=False)  # gone with the process


def command_without(command, *tools):
    """The command, as it runs on a system without these tools. For Host.run() and popen() of the lab."""
    hide = "".join(f"mount --bind /dev/null {os.path.realpath(shutil.which(tool))} && " for tool in tools)
    return ["sh", "-c", hide + 'exec "$@"', "sh", *command]
