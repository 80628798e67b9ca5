"""BatchNorm recalibration: statistics measured anew over many passes."""

from collections.abc import Callable

import torch
from torch import nn

from lightning_gen import private
from lightning_gen.contexts import evaluating


@torch.no_grad()
def measure_statistics(network: nn.Module, pass_through: Callable[[], object], batches: int) -> None:
    """Measure the statistics of a network's BatchNorm anew, as plain means over passes; modes and momenta are restored.

    Args:
        network: The network; nothing happens if it has no BatchNorm.
        pass_through: Passes one batch through it.
        batches: Number of batches; 0 leaves the statistics unchanged.
    """
    norms = private.batch_norms(network.modules())
    if not norms or batches < 1:
        return
    momenta = [norm.momentum for norm in norms]
    with evaluating(network):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for _ in range(batches):
            pass_through()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
