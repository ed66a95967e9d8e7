"""Files that nobody else may read."""

import os


def write_private(path, content):
    """Write a file (text or bytes) with mode 0600 from its first byte; what was there is replaced."""
    data = content.encode() if isinstance(content, str) else content
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
