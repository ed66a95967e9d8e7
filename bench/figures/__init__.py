"""The figures, a file for each kind: NAMES of what it measures, and measure() -> [Figure]. This is the order of the table."""

from . import (
    agent,
    alloc_bytes,
    captured_agent,
    engine_memory,
    events_per_s,
    firmware_size,
    forwarding_ratio,
    sequence_open,
    sequence_open_nft,
    spoofed_flood,
    wakeups,
)

ALL = (
    sequence_open,
    sequence_open_nft,
    alloc_bytes,
    spoofed_flood,
    wakeups,
    engine_memory,
    agent,
    captured_agent,
    events_per_s,
    forwarding_ratio,
    firmware_size,
)
