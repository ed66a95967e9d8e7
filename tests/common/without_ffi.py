"""Imported first, it lets CPython import edge/libc.py, for tests of what lies above: of its functions none can be called."""

import sys

try:
    import ffi  # noqa: F401
except ImportError:

    class _Ffi:
        @staticmethod
        def open(_name):
            return _Ffi

        @staticmethod
        def func(*_types):
            return None

    sys.modules["ffi"] = _Ffi
