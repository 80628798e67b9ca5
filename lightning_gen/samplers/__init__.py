"""Latent samplers: distributions of codes that are fitted after training, so that any autoencoder can generate."""

from lightning_gen.samplers.base import LatentDensity, LatentSampler
from lightning_gen.samplers.flow import FlowSampler
from lightning_gen.samplers.mixture import GaussianMixtureSampler
from lightning_gen.samplers.rectified_flow import RectifiedFlowSampler

DENSITIES: dict[str, type[LatentDensity]] = {"gmm": GaussianMixtureSampler, "flow": FlowSampler}
"""The choices of ``detect --sampler``."""

FITTED: dict[str, type[LatentSampler]] = {**DENSITIES, "rectified_flow": RectifiedFlowSampler}
"""The samplers that are fitted to codes."""

SAMPLERS: dict[str, type[LatentSampler] | None] = {"prior": None, **FITTED}
"""The choices of ``sample --sampler``; None stands for the bottleneck's own prior."""

__all__ = [
    "DENSITIES",
    "FITTED",
    "SAMPLERS",
    "FlowSampler",
    "GaussianMixtureSampler",
    "LatentDensity",
    "LatentSampler",
    "RectifiedFlowSampler",
]
