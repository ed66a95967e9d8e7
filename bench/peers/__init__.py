"""The candidates, one file each. Every one has

    NAME      for people
    DOOR      the TCP port of the gateway that it protects
    GAP_S     seconds between the packets of its knock
    start()   protect the door and be ready for knocks
    packets(source)   a new knock for this client address: [(port, UDP payload or None for a TCP SYN)]
    end(source)       after a sample: close again, where that is not left to a time-out
    pid       of its process, None without one

Each has ports of its own, so that all can run at once in one gateway.
"""
