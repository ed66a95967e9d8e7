"""Users of this system, from /etc/passwd."""


def find(name):
    """(uid, gid) of a user without root's rights, or None."""
    try:
        with open("/etc/passwd", "rb") as file:  # other lines may hold any bytes
            for line in file:
                words = line.split(b":")
                if words[0] == name.encode() and len(words) > 3 and words[2].isdigit() and words[3].isdigit():
                    return (int(words[2]), int(words[3])) if int(words[2]) and int(words[3]) else None
    except OSError:
        pass
    return None
