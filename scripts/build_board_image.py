"""Makes what QEMU starts the arm64 board with: its first memory disk, and a disk with ext4 on it, as the board comes.

    scripts/build_board_image.py DIRECTORY [--authorized-key FILE]      makes DIRECTORY/initrd and DIRECTORY/disk

No Knocklet is on it yet. boards/qemu_arm64/README.md shows how to start it, `scripts/setup.sh board` brings what it is made of.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SYSTEM = ROOT / "boards" / "qemu_arm64" / "system"
PARTS = ROOT / "build" / "boards" / "qemu_arm64"
KERNEL = PARTS / "kernel"
_DISK_BYTES = 128 << 20
_SIGNED = b"~Module signature appended~\n"
_EMPTY = ("dev", "etc/rc.d", "etc/dropbear", "proc", "root", "run", "sys", "tmp", "usr/share", "var/lib", "var/log")
# A root of today: everything below usr, and where programs were looked for in former times.
_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "var/run": "/run", "var/tmp": "/tmp"}


def build(directory, authorized_key=""):
    """authorized_key: a line; whoever has its other half is root by SSH."""
    with tempfile.TemporaryDirectory(prefix="board-", dir=directory) as place:
        _initrd(Path(place) / "initrd", directory / "initrd")
        _disk(Path(place) / "root", directory / "disk", authorized_key)


def _initrd(tree, to):
    (tree / "bin").mkdir(parents=True)
    for empty in ("dev", "root"):
        (tree / empty).mkdir()
    shutil.copy(PARTS / "root/usr/bin/busybox", tree / "bin")
    shutil.copy(SYSTEM / "init", tree)
    module = next((PARTS / "root/usr/lib/modules").rglob("virtio_blk.ko"))
    (tree / module.name).write_bytes(_unsigned(module.read_bytes()))
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with open(to, "wb") as file:
        _run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=tree, input=names.encode(), stdout=file)


def _disk(tree, to, authorized_key):
    shutil.copytree(PARTS / "root", tree, symlinks=True)
    for module in tree.rglob("*.ko"):
        module.write_bytes(_unsigned(module.read_bytes()))
    for name, target in _LINKS.items():
        if not (tree / name).is_symlink():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).symlink_to(target)
    for empty in _EMPTY:
        (tree / empty).mkdir(parents=True, exist_ok=True)
    shutil.copytree(SYSTEM / "etc", tree / "etc", dirs_exist_ok=True)
    for name in ("usr/sbin/init", "usr/bin/sh"):
        (tree / name).symlink_to("/usr/bin/busybox")
    for name in ("iptables", "ip6tables"):  # what update-alternatives would make
        for end in ("", "-restore", "-save"):
            (tree / f"usr/sbin/{name}{end}").symlink_to(f"{name}-nft{end}")
    if authorized_key:
        (tree / "root/.ssh").mkdir(mode=0o700)
        (tree / "root/.ssh/authorized_keys").write_text(authorized_key + "\n")
    with open(to, "wb") as file:
        file.truncate(_DISK_BYTES)
    _run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-b", "4096", "-d", tree, "-E", "root_owner=0:0", to])


def _unsigned(module):
    """Without the signature at its end (linux/module_signature.h): each takes 50 ms to check under emulation."""
    rest = module.removesuffix(_SIGNED)
    return module if rest == module else rest[: -12 - int.from_bytes(rest[-4:], "big")]


def _run(command, **options):
    done = subprocess.run(list(map(str, command)), stderr=subprocess.PIPE, check=False, **options)
    if done.returncode:
        sys.exit(f"{command[0]}: exit {done.returncode}: {' '.join(done.stderr.decode(errors='replace').split())}")


def main():
    parser = argparse.ArgumentParser(description="Makes the disks of the arm64 board in QEMU.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--authorized-key", type=Path, help="file with the public key of whoever may log in by SSH")
    options = parser.parse_args()
    if not (PARTS / "complete").exists():
        sys.exit("build/boards/qemu_arm64 is missing: sudo scripts/setup.sh board makes it")
    options.directory.mkdir(parents=True, exist_ok=True)
    build(options.directory, options.authorized_key.read_text().strip() if options.authorized_key else "")


if __name__ == "__main__":
    main()
