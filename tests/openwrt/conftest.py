"""The engine in the lab, as tests/net has it, on a gateway with the rules of OpenWrt's fw4."""

import os
import shutil

import pytest
from net.conftest import BUILD, bits, config, dut, dut_directory, engine, heard, labs, test_case_name  # noqa: F401
from openwrt.fw4 import Fw4


@pytest.fixture(scope="session")
def session_root_logdir():
    """Beside the one of tests/net, which the same worker may use."""
    path = BUILD / "test_logs" / ("openwrt-" + os.environ.get("PYTEST_XDIST_WORKER", "alone"))
    shutil.rmtree(path, ignore_errors=True)
    return str(path)


@pytest.fixture(params=["drop", "reject"])
def zone(request):
    """Of wan."""
    return request.param


@pytest.fixture
def firewall():
    return "auto"


@pytest.fixture
def fw4_options():
    """Of Fw4."""
    return {}


@pytest.fixture
def lab(labs):  # noqa: F811
    return labs("accept", "nft")


@pytest.fixture
def fw4(lab, zone, fw4_options):
    """In force before the engine starts, as when a router boots."""
    made = Fw4(lab.gateway, zone, **fw4_options)
    made.start()
    return made


@pytest.fixture
def started(fw4, dut):  # noqa: F811
    """The engine, ready, on such a gateway."""
    return dut
