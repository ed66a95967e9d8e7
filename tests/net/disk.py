"""A small disk for what an engine stores: it can be full or read-only. Nobody else sees it, and it is gone with the lab."""

from lab.host import run
from lab.waiting import wait_until

_BYTES = "64k"  # two copies of the store, and not much more


class Disk:
    """Where `engine` (EngineDut, not started) has its state directory. It outlives the engine."""

    def __init__(self, engine):
        self._place = engine.state_dir
        self._place.mkdir(mode=0o700, exist_ok=True)
        # a process of the lab has its own view of the file system: this one holds it, the engine joins
        holder = engine.lab.gateway.popen(["sleep", "infinity"])
        name = f"/proc/{holder.pid}/comm"
        wait_until(lambda: open(name).read() == "sleep\n", "the view of the file system")
        self._view = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt"]
        engine.wrapper = self._view
        self.run("mount", "-t", "tmpfs", "-o", f"size={_BYTES},mode=700", "none", self._place)

    def run(self, *command, check=True):
        """A command that sees this disk."""
        return run([*self._view, *command], check)

    def fill(self):
        self.run("sh", "-c", f"cat /dev/zero >{self._place}/filler 2>/dev/null || true")

    def empty(self):
        self.run("rm", self._place / "filler")

    def read_only(self, yes=True):
        self.run("mount", "-o", f"remount,{'ro' if yes else 'rw'}", self._place)

    def put(self, source):
        """Copy the files of a folder there."""
        self.run("sh", "-c", f"cp {source}/* {self._place}/")

    def names(self):
        return sorted(self.run("ls", self._place).stdout.split())
