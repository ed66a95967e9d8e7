"""What several test files are marked with."""

import pytest

# What has nothing to do with the kind of firewall is tried with one of them.
one_firewall = pytest.mark.parametrize("firewall", ["nft"], indirect=True)
