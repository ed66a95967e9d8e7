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
COMPLETE = 19  # of a fixed sequence, or of a one-time sequence that has not been used

# Signed packets, roughly in the order of the checks (gate.py, spa.py, admission.py). Up to BAD_MAC anybody can cause them;
# beyond, a holder of the key, or somebody who sends his packets again.
WRONG_LENGTH = 20
UNKNOWN_TAG = 21  # no client has this tag in this slot; fwknop: no packet begins so
OVER_BUDGET = 22  # one of those that were not chosen to be looked at (mac_budget.py)
BAD_MAC = 23
BAD_BASE64 = 24  # fwknop: not the one way to write it
TOO_OFTEN = 25  # the client's own rate
BAD_VERSION = 26
BAD_OP = 27
BAD_FLAGS = 28
BAD_SOURCE_FIELD = 29  # an address that nobody can have, or one where there should be none
BAD_SLOT = 30  # another minute than the stamp's
BAD_FIELDS = 31  # fwknop: what is inside does not read
COMMAND = 32  # fwknop: asks for a command to be run
REPLAYED = 33  # the stamp is not later than the client's last, than its key, or than the store's floor
STALE = 34  # the stamp is too far from the trusted clock's time
TOO_FAR_AHEAD = 35  # of the client's last, while the clock is not trusted
CLOCK_NOT_TRUSTED = 36  # and it has to be, for what it is or because the store was made anew
WRONG_SOURCE = 37  # the client may not open for this address
NOT_ALLOWED = 38  # the client may not open this service, or there is none
TOO_MANY_GRANTS = 39  # the client has as many as one may have
NOT_STORED = 40  # that it was used could not be written down
REPEATED = 41  # a repeat of what was done already
NOTHING_LIVE = 42  # to renew or to close
OTP_USED = 43  # this slot, or a later one, has opened before
ACCEPTED = 44

NAMES = (
    "truncated", "not_ip", "bad_header", "bad_checksum", "fragment", "not_a_knock", "bad_source",
    "not_ours", "other_port", "step_alone", "step_repeated", "decoy", "resting", "table_full",
    "step_out_of_turn", "decoy_ended", "sweep", "step_started", "step_advanced", "complete",
    "wrong_length", "unknown_tag", "over_budget", "bad_mac", "bad_base64", "too_often", "bad_version", "bad_op", "bad_flags",
    "bad_source_field", "bad_slot", "bad_fields", "command", "replayed", "stale", "too_far_ahead", "clock_not_trusted",
    "wrong_source", "not_allowed", "too_many_grants", "not_stored", "repeated", "nothing_live", "otp_used", "accepted",
)  # fmt: skip
COUNT = 45
PARSED = COUNT  # the parser's "go on": never counted
CHECK = COUNT + 1  # the gate's "go on": the mac is next; never counted
