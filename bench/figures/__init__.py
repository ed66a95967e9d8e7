"""The figures, a file for each kind: NAMES of what it measures, and measure() -> [Figure]. This is the order of the table."""

from . import (
    agent,
    alloc_bytes,
    captured_agent,
    engine_memory,
    events_per_s,
    filter_swap,
    firmware_size,
    forwarding_ratio,
    idle_spa,
    sequence_open,
    sequence_open_nft,
    spa_junk,
    spa_lossy,
    spa_open,
    spoofed_flood,
    wakeups,
)

ALL = (
    sequence_open,
    sequence_open_nft,
    spa_open,
    spa_junk,
    spa_lossy,
    filter_swap,
    idle_spa,
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
