"""The relative errors of R1 and of its gradient in several precisions, beside float64."""

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from grounds import BATCH, RPGAN, products, trained
from proof import Ground
from torch import Tensor, nn

from lightning_gen.regularizers import R1
from lightning_gen.regularizers.discriminator_pass import DiscriminatorPass


@contextlib.contextmanager
def narrow(device: str) -> Iterator[None]:
    """Bfloat16 in the pass of the discriminator and in both derivatives."""
    with products(tf32=False), torch.autocast(device, torch.bfloat16):
        yield


def relative_errors(ground: Ground, steps: int) -> dict[str, float]:
    """The errors of each precision after some steps of training: of the value, and of the gradient, by their norms."""
    module = trained(ground, RPGAN, max(steps, 1), f"--name=r1_{steps}", *still(steps)).lightning_module
    discriminator: nn.Module = module.discriminator.to(ground.device)
    numbers = torch.Generator().manual_seed(0)
    real = 2 * torch.rand(BATCH[ground.device], *module.data_shape, generator=numbers).to(ground.device) - 1
    value, gradient = r1(copy.deepcopy(discriminator).double(), real.double())
    ways: dict[str, Callable[[], Any]] = {
        "float32": lambda: products(tf32=False),
        "bfloat16": lambda: narrow(ground.device),
    }
    if ground.device == "cuda":
        ways["TF32"] = lambda: products(tf32=True)
    errors = {}
    for name, way in ways.items():
        with way():
            found, slope = r1(discriminator, real)
        errors[f"{name}, value"] = ((found.double() - value).abs() / value).item()
        errors[f"{name}, gradient"] = ((slope - gradient).norm() / gradient.norm()).item()
    return errors


def still(steps: int) -> list[str]:
    """Options under which the one step that a run has at least moves nothing."""
    at_rest = "{class_path: torch.optim.SGD, init_args: {lr: 0.0}}"
    return [] if steps else [f"--model.{player}_optimizer={at_rest}" for player in ("generator", "discriminator")]


def r1(discriminator: nn.Module, real: Tensor) -> tuple[Tensor, Tensor]:
    """R1 on real samples, and its gradient with respect to all weights, in float64."""
    weights = [weight.requires_grad_() for weight in discriminator.parameters()]
    real = real.clone().requires_grad_()
    output = discriminator(real)
    judged = DiscriminatorPass(
        discriminator, real, real.detach(), output, output, torch.Generator(real.device).manual_seed(0)
    )
    penalty = R1()(judged)
    slopes = torch.autograd.grad(penalty, weights, allow_unused=True)
    return penalty.detach(), torch.cat([slope.double().flatten() for slope in slopes if slope is not None])
