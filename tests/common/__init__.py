"""What tests share, on CPython and MicroPython: packets made by hand, a plain reader of them, a small BPF machine, numbers."""
