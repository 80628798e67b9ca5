"""Directions of latents in which the samples of a trained model change most, found without labels."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from lightning_gen.contexts import evaluating
from lightning_gen.errors import InputError
from lightning_gen.training import GenerativeModule

CODES = 64
"""Number of latents over which the Jacobian is averaged."""
TANGENTS = 64
"""Number of directional derivatives that are computed at a time."""


@dataclass(frozen=True)
class Directions:
    """Directions of latents, the one with the greatest effect first.

    Attributes:
        vectors: Of norm 1 and orthogonal, ``(k, *latent_shape)``; the largest coordinate of each is positive.
        shares: The share of each in the sum of all squared singular values, or eigenvalues; they fall.
        source: What they are, in words.
    """

    vectors: Tensor
    shares: Tensor
    source: str


@torch.no_grad()
def directions(
    module: GenerativeModule, latents: Tensor, labels: Tensor | None = None, basis: Tensor | None = None
) -> Directions:
    """Directions in which samples change most: of the first layer if it is linear, else of the Jacobian.

    Neither promises that a direction means something.

    Args:
        module: The model.
        latents: Latents or codes, ``(n, *latent_shape)``, over which the Jacobian is averaged.
        labels: Their classes, for conditional models, ``(n,)``.
        basis: Orthonormal vectors ``(k, *latent_shape)`` to search among, for large maps of codes; None for all
            directions.

    Raises:
        InputError: The directions are not finite, or forward derivatives cannot be computed.
    """
    with evaluating(module):
        weight = (
            None if basis is not None else first_linear(module, latents[:2], None if labels is None else labels[:2])
        )
        if weight is not None:
            return of_weight(weight)
        basis = torch.eye(latents[0].numel()).view(-1, *latents.shape[1:]) if basis is None else basis
        return of_jacobian(decoder_of(module, labels), latents, basis)


# the first layer ------------------------------------------------------------------------------------------------------


def of_weight(weight: Tensor) -> Directions:
    """The right singular vectors of the first linear layer: the changes of a latent that move its output most.

    Paper: Closed-Form Factorization of Latent Semantics in GANs, https://arxiv.org/abs/2007.06600, equation 5

    Args:
        weight: ``(outputs, latent_dim)``.
    """
    _, values, vectors = torch.linalg.svd(weight.double().cpu(), full_matrices=False)
    return sorted_directions(vectors, values.square(), (weight.shape[1],), "singular vectors of the first layer")


def first_linear(module: GenerativeModule, latents: Tensor, labels: Tensor | None) -> Tensor | None:
    """The weight ``(outputs, latent_dim)`` of the layer that reads latents first; None if that layer is not linear.

    Columns that read the class, which is concatenated to the latents, are left out. The layer is found by a pass, so
    networks of any class will do.
    """
    width = latents.shape[1]
    found: list[nn.Module] = []

    def note(layer: nn.Module, inputs: tuple[object, ...]) -> None:
        x = inputs[0] if inputs else None
        reads = isinstance(x, Tensor) and x.ndim == latents.ndim and torch.equal(x[:, :width].to(latents), latents)
        if reads and (isinstance(layer, nn.Linear) or not any(True for _ in layer.children())):
            found.append(layer)

    if latents.ndim != 2:
        return None
    with hooked(module, note):
        module.from_latents(latents, labels)
    first = found[0] if found else None
    return first.weight[:, :width] if isinstance(first, nn.Linear) else None


@contextmanager
def hooked(module: nn.Module, note: Callable[..., None]) -> Iterator[None]:
    """Call a function with each part of a module, and its inputs, before the part is called."""
    hooks = [part.register_forward_pre_hook(note) for part in module.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


# the Jacobian ---------------------------------------------------------------------------------------------------------


def decoder_of(module: GenerativeModule, labels: Tensor | None) -> Callable[..., Tensor]:
    """The map of a model from latents ``(n, *latent_shape)`` to samples, with the class of the latent of a number."""

    def decode(latents: Tensor, index: int) -> Tensor:
        classes = None if labels is None else labels[index].expand(len(latents))
        return module.from_latents(latents, classes)

    return decode


def of_jacobian(decode: Callable[..., Tensor], latents: Tensor, basis: Tensor) -> Directions:
    """Eigenvectors of the mean of J'J, with the Jacobian J of the samples at each of some latents.

    The mean squared change of a sample by a small step v is v' E[J'J] v, so they are the directions in which samples
    change most.

    Args:
        decode: Maps latents ``(n, *latent_shape)`` and the number of the latent that all of them are, as `index`, to
            samples.
        latents: ``(n, *latent_shape)``.
        basis: Orthonormal vectors ``(k, *latent_shape)`` that span the directions to search among.

    Raises:
        InputError: Forward derivatives cannot be computed, or are not finite.
    """
    basis = basis.to(latents)
    total = torch.zeros(len(basis), len(basis), dtype=torch.float64)
    for index, latent in enumerate(latents):
        parts = []
        for tangents in basis.split(TANGENTS):
            at = latent.expand_as(tangents).clone()
            try:
                with warnings.catch_warnings():  # torch warns of its own torch.jit.script when it is first used
                    warnings.simplefilter("ignore", FutureWarning)
                    changes = torch.func.jvp(partial(decode, index=index), (at,), (tangents,))[1]
            except RuntimeError as error:  # raised by torch for layers without a formula
                raise InputError(
                    f"forward derivatives of the model cannot be computed ({str(error).splitlines()[0]}): take --along "
                    "dimensions or a direction of your own, --along FILE.npy"
                ) from error
            parts.append(changes.flatten(1).double().cpu())
        jacobian = torch.cat(parts)
        total += jacobian @ jacobian.mT / len(latents)
    if not total.isfinite().all():
        raise InputError("derivatives of samples are not finite: the training diverged, take an earlier checkpoint")
    values, vectors = torch.linalg.eigh(total)
    flat = vectors.mT @ basis.flatten(1).double().cpu()
    source = f"eigenvectors of the mean squared Jacobian at {len(latents)} latents"
    return sorted_directions(flat, values.clamp(min=0), tuple(latents.shape[1:]), source)


def sorted_directions(vectors: Tensor, values: Tensor, shape: tuple[int, ...], source: str) -> Directions:
    """Directions by falling values, with fixed signs.

    Args:
        vectors: Rows ``(k, width)``.
        values: Non-negative, ``(k,)``.
        shape: Shape of a latent.
        source: What they are, in words.
    """
    order = values.argsort(descending=True, stable=True)
    vectors, values = vectors[order], values[order]
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    signed = vectors * torch.where(largest < 0, -1.0, 1.0)
    total = values.sum()
    shares = values / total if total > 0 else torch.full_like(values, 1 / len(values))
    return Directions(signed.float().view(-1, *shape), shares.float(), source)
