"""What an autoencoder and its discriminator must agree on, and small steps of their game."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lightning_gen.adversaries import AdaptiveWeight, Contrast
from lightning_gen.bottlenecks import Bottleneck
from lightning_gen.errors import InputError
from lightning_gen.modules.opponents import check_apart, check_terms
from lightning_gen.networks import Discriminator, Encoder
from lightning_gen.objectives import AuxiliaryTerm, FeatureReconstruction
from lightning_gen.records import Judgement
from lightning_gen.regularizers import Contest
from lightning_gen.schedules import Schedule


def check_adversary(
    autoencoder: nn.Module, encoder: Encoder, bottleneck: Bottleneck, discriminator: Discriminator, contrast: Contrast
) -> None:
    """Check that a discriminator is made for what it is shown of an autoencoder.

    Raises:
        InputError: It is not, the prior to draw from is missing, or weights are shared.
    """
    name = type(contrast).__name__
    wanted = contrast.judged_shape(tuple(encoder.shape), bottleneck.latent_dim)
    if tuple(discriminator.shape) != wanted:
        raise InputError(
            f"{name} shows the discriminator {'codes' if contrast.judges_codes else 'samples'} of shape {wanted} and "
            f"it reads {tuple(discriminator.shape)}: build it for that shape"
        )
    if contrast.needs_prior and not bottleneck.has_prior:
        raise InputError(
            f"{name} draws codes from the prior and {type(bottleneck).__name__} has none: give the bottleneck one, "
            "such as IdentityBottleneck(prior=Normal()), or use GaussianBottleneck"
        )
    if discriminator.packing > 1:
        raise InputError(
            f"{name} shows {'codes' if contrast.judges_codes else 'samples'} to be judged one by one and the "
            f"discriminator joins {discriminator.packing}: set its packing to 1"
        )
    if discriminator.num_classes not in (None, encoder.num_classes):
        raise InputError(
            f"the discriminator is told of {discriminator.num_classes} classes and the autoencoder of "
            f"{encoder.num_classes or 'none'}: give encoder and decoder a conditioning with the same num_classes, or "
            "leave the discriminator's out"
        )
    check_apart({"autoencoder": autoencoder, "discriminator": discriminator})


def check_payments(
    discriminator: Discriminator,
    contrast: Contrast,
    weight: float | Schedule | AdaptiveWeight,
    terms: Mapping[str, AuxiliaryTerm],
) -> None:
    """Check that what is paid for a judgement is defined for what is judged.

    Raises:
        InputError: It is not.
    """
    check_terms(discriminator, terms)
    if contrast.judges_codes and isinstance(weight, AdaptiveWeight):
        raise InputError(
            f"AdaptiveWeight compares pulls at the decoder and {type(contrast).__name__} judges codes, which do not "
            "depend on it: give adversarial_weight a number or a schedule"
        )
    if contrast.judges_codes and any(isinstance(term, FeatureReconstruction) for term in terms.values()):
        raise InputError(
            f"FeatureReconstruction compares samples with their reconstructions and {type(contrast).__name__} shows "
            "codes: leave it out, or use GenerationContrast"
        )


def even(on_real: Judgement, on_fake: Judgement) -> Tensor:
    """The real logits, each so many times over that there are as many as fake ones."""
    times = len(on_fake.logits) // len(on_real.logits)
    return on_real.logits if times == 1 else on_real.logits.repeat(times)


def paired(held: Contest) -> Contest:
    """A contest with one fake sample for each real one, of all kinds of fake in turn, as penalties see it."""
    count, kinds = len(held.real), len(held.fake) // len(held.real)
    if kinds == 1:
        return held
    rows = torch.arange(count, device=held.fake.device)
    chosen = rows + count * (rows % kinds)
    logits = held.on_fake.logits.view(len(held.fake), -1)[chosen].flatten()
    on_fake = Judgement(logits, held.on_fake.features[chosen], held.labels)
    return replace(held, fake=held.fake[chosen].detach(), on_fake=on_fake)


class _Spared(torch.autograd.Function):
    """A loss as it is; going backward, its pull on the code is taken back where it arrives.

    The pull is computed with the factor that comes from behind, so that float16 sees it scaled as the rest is.
    """

    @staticmethod
    def forward(ctx: Any, loss: Tensor, code: Tensor) -> Tensor:
        ctx.save_for_backward(loss, code)
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        loss, code = ctx.saved_tensors
        (pull,) = torch.autograd.grad(loss, code, gradient, retain_graph=True)
        return gradient, -pull


def spared(loss: Tensor, code: Tensor) -> Tensor:
    """The same loss without a gradient at the code, for all that lies before it; what lies after it pays in full."""
    return _Spared.apply(loss, code) if code.requires_grad else loss
