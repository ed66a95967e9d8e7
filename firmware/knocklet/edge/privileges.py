"""The rights of a process: the agent gives all of them up, before the first byte from outside is read; the engine needs two."""

from ..core.errors import KnockletError
from . import libc, users


def drop(user):
    """Become this user when we are root; stay who we are when not. Raises KnockletError when rights would be left."""
    if libc.getuid() == 0:
        found = users.find(user)
        if not found:
            raise KnockletError("user %s: not in /etc/passwd, or with root's rights; the agent runs as one without" % user)
        uid, gid = found
        if libc.setgroups(0, 0) or libc.setgid(gid) or libc.setuid(uid):
            raise KnockletError("user %s: the system does not let the agent become it" % user)
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(libc.PR_SET_DUMPABLE, 0, 0, 0, 0)  # neither a core file nor a debugger shows the password
    if libc.setuid(0) == 0 or _capabilities():
        raise KnockletError("the agent would keep rights that its user does not have: it does not run so")


def need(rights):
    """rights: (name, number) of capabilities. Raises KnockletError when we lack one."""
    ours = _capabilities()
    for name, number in rights:
        if not ours >> number & 1:
            raise KnockletError("no %s: allowed: root with %s" % (name, " and ".join([name for name, _ in rights])))


def _capabilities():
    """The permitted ones, as bits (proc(5)). What is in effect is a part of them."""
    with open("/proc/self/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name == "CapPrm":
                return int(value.strip(), 16)
    return -1
