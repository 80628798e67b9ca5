"""How much an autoencoder pays for the judgement of its discriminator."""

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.ranges import FROM_0, require
from lightning_gen.schedules import Schedule, at


class AdaptiveWeight:
    """Makes the discriminator pull at the decoder's last layer as hard as the objective does, or `weight` times so.

    lambda = clamp(‖∇L_objective‖ / (‖∇L_adversarial‖ + 1e-4), 0, largest) · weight, gradients at the last weight of the
    decoder; no gradient flows through lambda. Terms that the decoder has no part in, such as a KL divergence, have no
    gradient there. With parts of a batch, or several devices, each part and each device has its own.

    Paper: Taming Transformers for High-Resolution Image Synthesis, https://arxiv.org/abs/2012.09841, equation 7; 0.8 in
    the authors' code

    Args:
        weight: The discriminator's pull in multiples of the objective's, or a schedule of it.
        largest: Largest ratio.

    Raises:
        InputError: `weight` is negative or not finite, or `largest` is not above 0.
    """

    def __init__(self, weight: float | Schedule = 0.8, largest: float = 1e4) -> None:
        if not largest > 0:
            raise InputError(f"AdaptiveWeight cannot be at most {largest}: give a largest ratio above 0")
        require(self, "weight", weight, FROM_0)
        self.weight = weight
        self.largest = largest

    def __call__(self, objective: Tensor, adversarial: Tensor, parameter: Tensor, images: int) -> Tensor:
        """Return lambda, a scalar without a gradient; the graphs of both losses stay.

        Args:
            objective: What the autoencoder pays beside the discriminator, a scalar.
            adversarial: What it pays for the judgement, without a weight, a scalar.
            parameter: The weight at which both pull.
            images: Training images seen so far.
        """
        pulls = [
            torch.autograd.grad(loss, parameter, retain_graph=True)[0].float().norm()
            for loss in (objective, adversarial)
        ]
        return (pulls[0] / (pulls[1] + 1e-4)).clamp(0, self.largest) * at(self.weight, images)


def last_weight(network: nn.Module) -> nn.Parameter:
    """The weight of the last layer of a network, in the order in which its layers are defined.

    Raises:
        InputError: It has none that is trained.
    """
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1 and parameter.requires_grad]
    if not weights:
        raise InputError(
            f"{type(network).__name__} has no weight for AdaptiveWeight to look at: give adversarial_weight a number"
        )
    return weights[-1]
