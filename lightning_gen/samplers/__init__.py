"""Latent samplers: densities of codes that are fitted after training, so that any autoencoder can generate."""

from lightning_gen.samplers.base import LatentSampler
from lightning_gen.samplers.flow import FlowSampler
from lightning_gen.samplers.mixture import GaussianMixtureSampler

SAMPLERS: dict[str, type[LatentSampler] | None] = {
    "prior": None,
    "gmm": GaussianMixtureSampler,
    "flow": FlowSampler,
}
"""The choices of ``sample --sampler``; None stands for the bottleneck's own prior."""

__all__ = ["SAMPLERS", "FlowSampler", "GaussianMixtureSampler", "LatentSampler"]
