"""Everything that touches the kernel: sockets, files, programs, the clock."""
