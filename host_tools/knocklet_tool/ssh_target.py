"""What ssh may be given as a place to go to. With a dash in front it would be an option."""

import re

ALLOWED = "root@192.168.1.1, ssh://root@192.168.1.1:2222, or as ssh calls it"
_TARGET = re.compile(r"(ssh://)?[A-Za-z0-9_.@:%\[\]][A-Za-z0-9_.@:%\[\]-]{0,252}")


def is_target(text: str) -> bool:
    return bool(_TARGET.fullmatch(text))
