"""What can become of one captured packet: one list, used as return values and as counters.

The order is the order of progress: where one packet means something to several sequences, the highest number is told.
"""

# Refused by the parser (packet.py).
TRUNCATED = 0  # shorter than its headers say, or than they need
NOT_IP = 1  # neither IPv4 nor IPv6
BAD_HEADER = 2  # a header field that no honest sender makes
BAD_CHECKSUM = 3  # IPv4 header checksum
FRAGMENT = 4
NOT_A_KNOCK = 5  # another protocol, IPv6 extension header, TCP that is not a plain SYN
BAD_SOURCE = 6  # a source that nobody can have: multicast, loopback, unspecified, our own

# Ignored by what it means here (matcher.py).
NOT_OURS = 7  # for another address: forwarded, or a LAN host's
OTHER_PORT = 8  # neither a step nor a decoy
STEP_ALONE = 9  # a later step without an attempt
STEP_REPEATED = 10  # a step seen before in this attempt: retransmitted or doubled
DECOY = 11  # a decoy without an attempt
RESTING = 12  # a first step of a source that swept: its sequences rest
TABLE_FULL = 13  # no room for a new attempt in its group

# Ended or went on.
STEP_OUT_OF_TURN = 14  # ended the attempt
DECOY_ENDED = 15  # a decoy ended the attempt
SWEEP = 16  # the third such end: the source rests from now
STEP_STARTED = 17
STEP_ADVANCED = 18
COMPLETE = 19

NAMES = (
    "truncated", "not_ip", "bad_header", "bad_checksum", "fragment", "not_a_knock", "bad_source",
    "not_ours", "other_port", "step_alone", "step_repeated", "decoy", "resting", "table_full",
    "step_out_of_turn", "decoy_ended", "sweep", "step_started", "step_advanced", "complete",
)  # fmt: skip
COUNT = 20
PARSED = COUNT  # the parser's "go on": never counted
