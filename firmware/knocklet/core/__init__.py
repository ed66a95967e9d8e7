"""Decisions: bytes, lengths and times in, verdicts out. No sockets, clock, files or randomness in here."""
