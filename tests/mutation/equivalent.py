"""Mutants that no test can tell from the file they are made of, by the reason: what they do differently cannot happen."""

EQUIVALENT = {
    "ACCEPTED is the last of all verdicts, and CHECK and PARSED lie beyond; parse() returns no CHECK, look() no more than it": (
        "core/admission.py Admission.judge: kind != verdict.ACCEPTED -> kind < verdict.ACCEPTED",
        "core/fwknop.py Fwknop.read: verdict != CHECK -> verdict < CHECK",
        "edge/client_knocks.py ClientKnocks.one_time: kind != verdict.ACCEPTED -> kind < verdict.ACCEPTED",
        "edge/knocks.py Knocks._judge: kind == verdict.PARSED -> kind >= verdict.PARSED",
        "edge/knocks.py Knocks._judge: kind == verdict.PARSED -> kind >= verdict.PARSED (2)",
        "edge/signed_knocks.py SignedKnocks._admit: kind != verdict.ACCEPTED -> kind < verdict.ACCEPTED",
        "edge/signed_knocks.py SignedKnocks._fwknop: kind != verdict.CHECK -> kind < verdict.CHECK",
        "edge/signed_knocks.py SignedKnocks._fwknop_read: kind == verdict.PARSED -> kind >= verdict.PARSED",
        "edge/signed_knocks.py SignedKnocks._spa: kind == verdict.PARSED -> kind >= verdict.PARSED",
        "edge/signed_knocks.py SignedKnocks.judge: kind == verdict.CHECK -> kind >= verdict.CHECK",
    ),
    "an op is OPEN, CLOSE or RENEW, 1 to 3: spa.read lets no other through": (
        "core/admission.py Admission._is_repeat: request.op != RENEW -> request.op < RENEW",
        "core/admission.py Admission._is_repeat: request.op == OPEN -> request.op <= OPEN",
        "core/admission.py Admission._is_repeat: request.op == OPEN -> request.op <= OPEN (2)",
        "core/admission.py Admission.allowed: request.op == OPEN -> request.op <= OPEN",
        "edge/signed_knocks.py SignedKnocks._admit: request.op == OPEN -> request.op <= OPEN",
        "edge/signed_knocks.py SignedKnocks._do: request.op == RENEW -> request.op >= RENEW",
    ),
    "a kind is CONFIG, COMMAND or ANSWER, 1 to 3: sealed.header lets no other through, and the gate no ANSWER": (
        "core/sealed_gate.py SealedGate.header: found.kind == sealed.ANSWER -> found.kind >= sealed.ANSWER",
        "edge/configuration.py Configuration._text: found.kind != sealed.CONFIG -> found.kind > sealed.CONFIG",
        "edge/orders.py Orders._floor: kind == sealed.CONFIG -> kind <= sealed.CONFIG",
        "edge/orders.py Orders.obey: found.kind == sealed.CONFIG -> found.kind <= sealed.CONFIG",
        "edge/orders.py Orders.obey: found.kind == sealed.CONFIG -> found.kind <= sealed.CONFIG (2)",
        "wire/sealed.py why_not: found.kind == COMMAND -> found.kind <= COMMAND",
        "wire/sealed.py why_not: found.kind == CONFIG -> found.kind <= CONFIG",
    ),
    "of the fields' names that get there it is the last": (
        "core/command.py _field: key == 'version' -> key >= 'version'",
    ),
    "a client's source is one of three words, which the policy has checked": (
        "core/admission.py _may_come_from: rule == 'any' -> rule <= 'any'",
        "core/admission.py _may_come_from: rule == 'stated' -> rule >= 'stated'",
    ),
    "one of two: a window of 60 or 120 s, TCP or UDP, an address of 4 or 16 bytes": (
        "core/fwknop_fields.py _services: len(request.address) == 4 -> len(request.address) <= 4",
        "edge/knocks.py Knocks._meaning: packet.protocol == UDP -> packet.protocol >= UDP",
        "wire/spa_packet.py mapped: len(address) == 4 -> len(address) <= 4",
    ),
    "the edge of what a byte, a length or a number without a sign can be, or of 16 bytes": (
        "core/fwknop_fields.py read: _number(kind, 1) == 0 -> _number(kind, 1) <= 0",
        "core/matcher.py Matcher._step: self._lengths[sequence] == 1 -> self._lengths[sequence] <= 1",
        "core/packet.py Packet._ipv4: first == 0 -> first <= 0",
        "core/packet.py Packet._ipv6: frame[at + 8] == 255 -> frame[at + 8] >= 255",
        "core/spa.py read: source != spa_packet.NO_SOURCE -> source > spa_packet.NO_SOURCE",
        "wire/hmac.py equal: different == 0 -> different <= 0",
    ),
    "it grows one by one, and is looked at each time": (
        "core/packet.py Packet._ipv6: i == at + 18 -> i >= at + 18",
        "edge/knocks.py Knocks._portion: taken == _PORTION -> taken >= _PORTION",
        "edge/wishes.py Wishes._ask: len(self.waiting) == _LIMIT -> len(self.waiting) >= _LIMIT",
        "wire/otp_ports.py otp_ports: len(ports) == count -> len(ports) >= count",
    ),
    "sorted: what comes first and is not less is equal or greater": (
        "core/tags.py SlotTags.find: self._compare(low, frame, at) == 0 -> self._compare(low, frame, at) <= 0",
        "core/tags.py SlotTags.values: value != found[-1] -> value > found[-1]",
    ),
    "the operand before it has dealt with what is less": (
        "core/admission.py Admission._fresh: request.stamp_us == last_us -> request.stamp_us <= last_us",
    ),
    "a stamp that gets there is the last one stored, or later, and none that was accepted was later": (
        "core/admission.py Admission._is_other: stamp_us == request.stamp_us == stored_us"
        " -> stamp_us == request.stamp_us <= stored_us",
        "core/admission.py Admission._is_other: stamp_us == request.stamp_us == stored_us"
        " -> stamp_us >= request.stamp_us == stored_us",
        "core/admission.py Admission.accepted: stamp_us != request.stamp_us -> stamp_us < request.stamp_us",
    ),
    "what is refused here would be refused in the next step, with the same verdict": (
        "core/fwknop.py Fwknop._decrypted: 0 < padding <= _BLOCK_BYTES -> 0 <= padding <= _BLOCK_BYTES",
        "core/fwknop_fields.py _number: 0 < len(text) <= digits -> 0 <= len(text) <= digits",
        "core/fwknop_fields.py _services: len(doors) == 1 -> len(doors) <= 1",
        "core/fwknop_fields.py read: len(random) != _RANDOM_DIGITS -> len(random) < _RANDOM_DIGITS",
        "edge/signed_knocks.py SignedKnocks.judge: packet.payload_bytes != BYTES -> packet.payload_bytes > BYTES",
    ),
    "where there are fewer than before or as many, one of them is new": (
        "core/otp.py Otp.set_time: len(before) != len(self.sequences) -> len(before) > len(self.sequences)",
    ),
    "an answer, the kind above a command, does not get so far": (
        "core/sealed_gate.py SealedGate.check: found.kind == sealed.COMMAND -> found.kind >= sealed.COMMAND",
    ),
    "no wait is no wait, whichever way it is found": (
        "core/token_bucket.py TokenBucket.take: 0 <= wait_ms <= self._burst_ms + self._interval_ms"
        " -> 0 < wait_ms <= self._burst_ms + self._interval_ms",
    ),
    "what waits has time left: a wait is more than 0, or -1 for none": (
        "edge/wishes.py Wishes._lapse: wait_ms < 0 -> wait_ms <= 0",
    ),
    "32 bytes more than are taken": (
        "wire/hmac.py keystream: len(stream) < count -> len(stream) <= count",
    ),
}  # fmt: skip
