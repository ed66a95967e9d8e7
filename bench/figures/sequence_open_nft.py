"""Last knock packet -> first answer with the nft backend, beside kernel rules in the same run."""

from ..peers.kernel_recipe import KernelRecipe
from ..peers.knocklet import Knocklet
from ..race import candidates, race
from .sequence_open import beside_kernel

NAMES = ("sequence_open_nft_ms_median",)
_KNOCKS = 300


def measure():
    with candidates("nft", Knocklet, KernelRecipe) as made:
        taken = race(_KNOCKS, dict.fromkeys(made, _KNOCKS))
    return beside_kernel("sequence_open_nft_ms_", ("median",), taken)
