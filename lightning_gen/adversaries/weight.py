"""The weight of an autoencoder's adversarial loss."""

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.ranges import FROM_0, require
from lightning_gen.schedules import Schedule, at

LARGEST_OF_MEAN = 1e4
"""Largest ratio for an objective that is a mean over the numbers of a sample."""


class AdaptiveWeight:
    """Makes the adversarial gradient at the decoder's last layer as large as the objective's, or `weight` times that.

    lambda = clamp(‖∇L_objective‖ / (‖∇L_adversarial‖ + 1e-4), 0, largest) · weight, gradients at the last weight of the
    decoder; no gradient flows through lambda. Terms that do not depend on the decoder, such as a KL divergence, have no
    gradient there. With accumulation or several devices, each micro-batch and each device has its own lambda.

    Paper: Taming Transformers for High-Resolution Image Synthesis, https://arxiv.org/abs/2012.09841, equation 7; the
    weight 0.8 and the largest ratio 1e4 are those of the authors' code. Their objective is a mean over the D numbers of
    a sample and the one here is a sum, whose gradient is D times as large. The same bound here is therefore 1e4 · D.
    With 1e4 alone, which version 0.1 had and which its checkpoints keep, the adversarial gradient of larger images is
    weaker than promised, from about 128 x 128 on. The code of latent diffusion, https://arxiv.org/abs/2112.10752, sums
    over the pixels and has 1e4: `largest=1e4`.

    Args:
        weight: Norm of the adversarial gradient in multiples of the objective's, or a schedule of it.
        largest: Largest ratio of the two norms; None for 1e4 times the numbers of a sample.

    Raises:
        InputError: `weight` is negative or not finite, or `largest` is not above 0.
    """

    def __init__(self, weight: float | Schedule = 0.8, largest: float | None = None) -> None:
        if largest is not None and not largest > 0:
            raise InputError(f"AdaptiveWeight cannot be at most {largest}: give a largest ratio above 0")
        require(self, "weight", weight, FROM_0)
        self.weight = weight
        self.largest = largest

    def __call__(
        self, objective: Tensor, adversarial: Tensor, parameter: Tensor, images: int, dimensions: int = 1
    ) -> Tensor:
        """Return lambda, a scalar without a gradient; the graphs of both losses stay.

        Args:
            objective: The loss of the autoencoder without the adversarial loss, a scalar.
            adversarial: The adversarial loss without its weight, a scalar.
            parameter: The parameter at which the gradients are compared.
            images: Training images seen so far.
            dimensions: Numbers of a sample, over which the objective is a sum; 1 for a mean.
        """
        norms = [
            torch.autograd.grad(loss, parameter, retain_graph=True)[0].float().norm()
            for loss in (objective, adversarial)
        ]
        largest = LARGEST_OF_MEAN * dimensions if self.largest is None else self.largest
        return (norms[0] / (norms[1] + 1e-4)).clamp(0, largest) * at(self.weight, images)


def last_weight(network: nn.Module) -> nn.Parameter:
    """The weight of the last layer of a network, in the order in which its layers are defined.

    Raises:
        InputError: It has none that is trained.
    """
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1 and parameter.requires_grad]
    if not weights:
        raise InputError(
            f"{type(network).__name__} has no trained weight for AdaptiveWeight: give adversarial_weight a number"
        )
    return weights[-1]
