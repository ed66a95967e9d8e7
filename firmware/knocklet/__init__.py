"""Knocklet: hides management ports until somebody knocks right.

wire/ (byte layouts and text forms) <- core/ (decisions, no I/O) <- edge/ (kernel, sockets, files) <- engine.py, ctl.py
"""

VERSION = "0.1.0"
