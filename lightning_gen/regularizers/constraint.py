"""Constraints on a network's weights, which are enforced after each of its updates."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lightning_gen import private
from lightning_gen.ranges import ABOVE_0, require
from lightning_gen.recording import Recorded


class Constraint(Recorded, ABC):
    """Projects a network's weights onto the allowed set."""

    @abstractmethod
    def __call__(self, network: nn.Module) -> None:
        """Change the network's weights in place, without gradient."""


class WeightClipping(Constraint):
    """Clips every weight to [-bound, bound], which bounds a critic's Lipschitz constant.

    Paper: Wasserstein GAN, https://arxiv.org/abs/1701.07875, Algorithm 1, with c = 0.01

    Args:
        bound: Largest absolute value of a weight, the paper's c; above 0.

    Raises:
        InputError: The bound is not above 0.
    """

    def __init__(self, bound: float = 0.01) -> None:
        require(self, "bound", bound, ABOVE_0)
        self.bound = bound

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> None:
        """Clip all weights and biases."""
        parameters: list[Tensor] = list(network.parameters())
        private.clamp_all(parameters, -self.bound, self.bound)
