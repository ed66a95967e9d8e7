"""What the package is called, of which version and date, in the words of each format."""

import os
import re

from knocklet import VERSION

from .errors import InputError

NAME = "knocklet"
SUMMARY = "Port knocking for home routers"
DESCRIPTION = "Hides management ports until somebody knocks right: one service, for one address, for a short time."
LICENSE = "MIT"
MAINTAINER = "Knocklet contributors <contributors@knocklet.invalid>"   # a name that no mail reaches (RFC 2606)

_RELEASE = 1   # counts packages of one version
_VERSION = re.compile(r"(\d+(?:\.\d+)*)(?:(a|b|rc)(\d+))?")
_WORDS = {"a": "alpha", "b": "beta", "rc": "rc"}
_DATE_S = 1_767_225_600   # 2026-01-01: any, but always the same, so that a package is the same whenever it is built
_DATE_VARIABLE = "SOURCE_DATE_EPOCH"


def version(format_: str, of: str = VERSION) -> str:
    """0.2.0rc1 comes before 0.2.0: in a .deb and an .ipk that is said by a tilde, in an .apk by an underscore."""
    found = _VERSION.fullmatch(of)
    if not found:
        raise InputError(f"version {of!r}: allowed: numbers and dots, then a, b or rc with a number, or nothing")
    before = f"{_WORDS[found[2]]}{found[3]}" if found[2] else ""
    sign = "_" if format_ == "apk" else "~"
    return f"{found[1]}{sign + before if before else ''}-{'' if format_ == 'deb' else 'r'}{_RELEASE}"


def file_name(format_: str) -> str:
    between, end = ("-", "") if format_ == "apk" else ("_", "_all")
    return f"{NAME}{between}{version(format_)}{end}.{format_}"


def date_s() -> int:
    """Of every file in a package. Raises InputError."""
    text = os.environ.get(_DATE_VARIABLE, str(_DATE_S))
    if not re.fullmatch(r"\d{1,10}", text) or int(text) >= 1 << 32:
        raise InputError(f"{_DATE_VARIABLE}: {text[:40]!r}; allowed: seconds since 1970, below {1 << 32}")
    return int(text)
