"""The ring of captured packets goes round and round, whatever the kernel writes into its frames."""

import socket

import pytest
from net.marks import one_firewall

from lab.waiting import wait_until

FRAMES = 2048  # of the ring
SO_TIMESTAMP = 29


@pytest.fixture(params=[False, True], ids=["plain", "timestamps"])
def timestamps(request):
    """Somebody on this machine wants packets to carry the time: ping, tcpdump, a time service."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
        somebody.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, int(request.param))
        yield


def judged(dut):
    status = dut.ctl("status")
    assert status["interfaces"][0]["ring_dropped"] == 0
    return sum(status["packets"].values())


@pytest.mark.parametrize("bits", [64, 32], indirect=True)
@one_firewall
def test_three_times_round(lab, dut, bits, timestamps):
    before, portion = judged(dut), FRAMES // 4
    with lab.generator() as wire:
        for sent in range(portion, 3 * FRAMES + 1, portion):
            wire.sweep("16.1.0.1", lab.gateway.ip4, [7000] * portion)
            wait_until(lambda: judged(dut) - before >= sent, f"{sent} packets are judged")  # noqa: B023  (called at once)
    lab.knock(["7000/tcp", "9100/udp", "8000/tcp"])
    assert dut.expect_event("opened")["source"] == lab.client.ip4
