"""What a folder may hold after a power cut, from the system calls of a process: a strict reading of fsync(2).

What was written and not flushed is there, partly there, or not there, each write for itself. A name that was made, renamed or
removed is not there before the folder was flushed; what happened to names happened in order, up to some moment.
"""

import itertools
import re
from pathlib import Path

TRACE = ("-xx", "-s", "65536", "-e", "trace=openat,lseek,_llseek,write,fsync,close,rename,unlink")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_SEEK = {"SEEK_SET": 0, "SEEK_END": 2}


def calls(log):
    """(name, arguments, result) of each call in strace's log that did something."""
    for name, arguments, result in _CALL.findall(log.read_text()):
        words = [_word(word) for word in arguments.split(", ")]
        if int(result) >= 0:
            yield name, words, int(result)


def _word(word):
    if not word.startswith('"'):
        return word
    return bytes.fromhex(word.strip('"').replace("\\x", ""))


class Disk:
    """`files`: {name: bytes} of the folder, flushed."""

    def __init__(self, folder, files):
        self._folder = bytes(Path(folder)) + b"/"
        self._inodes = list(files.values())  # what is flushed of each
        self._names = {name: i for i, name in enumerate(files)}
        self._now = dict(self._names)  # the names as the process sees them
        self._open = {}  # fd -> [inode, position], or None: the folder itself
        self._written = []  # (inode, position, bytes), not flushed
        self._renamed = []  # the names after each change, not flushed
        self.answered = False

    def _name(self, path):
        return path.removeprefix(self._folder).decode() if path.startswith(self._folder) else None

    def call(self, name, words, result):
        if name == "openat":
            self._open_file(words[1], words[2], result)
        elif name == "close":
            self._open.pop(int(words[0]), None)
        elif name in ("rename", "unlink") and self._name(words[0]):
            inode = self._now.pop(self._name(words[0]))
            if name == "rename":
                self._now[self._name(words[1])] = inode
            self._renamed.append(dict(self._now))
        elif name == "write" and words[0] == "1":
            self.answered = True
        elif name in ("write", "lseek", "fsync") and int(words[0]) in self._open:
            getattr(self, "_" + name)(int(words[0]), words, result)

    def _open_file(self, path, flags, fd):
        if path == self._folder[:-1]:
            self._open[fd] = None
        elif name := self._name(path):
            if "O_TRUNC" in flags:
                self._inodes.append(b"")
                self._now[name] = len(self._inodes) - 1
                self._renamed.append(dict(self._now))
            self._open[fd] = [self._now[name], 0]

    def _lseek(self, fd, words, result):
        self._open[fd][1] = result

    def _write(self, fd, words, result):
        inode, position = self._open[fd]
        self._written.append((inode, position, words[1][:result]))
        self._open[fd][1] += result

    def _fsync(self, fd, words, result):
        if self._open[fd] is None:
            self._names = dict(self._now)
            self._renamed = []
            return
        inode = self._open[fd][0]
        for write in self._written:
            if write[0] == inode:
                self._inodes[inode] = _with(self._inodes[inode], write[1], write[2])
        self._written = [write for write in self._written if write[0] != inode]

    def states(self):
        """Each {name: bytes} that may be left if the power fails now."""
        parts = (0, 2, 3, 4)  # quarters of each write; of a record the third has a new value and an old checksum
        kinds = itertools.product(parts, repeat=len(self._written))
        if len(self._written) > 5:  # all alike, and one unlike the others
            alike = [[part] * len(self._written) for part in parts]
            kinds = alike + [kind[:i] + [part] + kind[i + 1 :] for kind in alike for i in range(len(kind)) for part in parts]
        for kind in kinds:
            inodes = list(self._inodes)
            for (inode, position, data), part in zip(self._written, kind):
                inodes[inode] = _with(inodes[inode], position, data[: len(data) * part // 4])
            for names in (self._names, *self._renamed):
                yield {name: inodes[inode] for name, inode in names.items()}


def _with(data, position, written):
    if not written:
        return data
    return data[:position].ljust(position, b"\0") + written + data[position + len(written) :]


def after_cuts(folder, files, log):
    """Each (files, has the process answered?) that a power cut may leave, at every moment of the log."""
    disk = Disk(folder, files)
    seen = set()
    for call in (None, *calls(log)):
        if call:
            disk.call(*call)
        for state in disk.states():
            key = (disk.answered, *sorted(state.items()))
            if key not in seen:
                seen.add(key)
                yield state, disk.answered
