"""A configuration as large as a gateway is promised to take: 64 services, 200 clients with keys."""

import copy
import random

from net.conftest import CONFIG


def big_config(services=64, clients=200, seed=5):
    """The usual one, and more. seed: of the keys."""
    numbers = random.Random(seed)
    big = copy.deepcopy(CONFIG) | {"id": "home"}
    for index in range(len(big["services"]) + 1, services + 1):
        big["services"][f"service-{index}"] = {"index": index, "port": 10_000 + index}
    names = sorted(big["services"])
    big["clients"] = {
        f"client-{number}": {
            "key": numbers.randbytes(32).hex(),
            "issued": 1_790_000_000,
            "open": numbers.sample(names, 3),
        }
        for number in range(clients)
    }
    return big
