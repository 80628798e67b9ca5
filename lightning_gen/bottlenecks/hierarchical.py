"""The bottleneck of hierarchical variational autoencoders: several stochastic levels, each the prior of the next."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import relu

from lightning_gen.bottlenecks.base import Bottleneck, require_features
from lightning_gen.bottlenecks.normal import LogVarianceNormal, StandardNormal
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT
from lightning_gen.records import Code, Level, Shape
from lightning_gen.terms import at_least_float32


class HierarchicalBottleneck(Bottleneck):
    """A ladder of Gaussian levels, z₁ nearest to the data: p(z) = p(z_L) Π p(zₗ|zₗ₊₁) with p(z_L) = N(0, I).

    Deterministic layers map the features h upwards and give evidence N(mu, sigma²) of every level. The top posterior is
    its evidence. Below it, a network gives the prior p(zₗ|zₗ₊₁), and the posterior is the normalised product of prior
    and evidence, q(zₗ|zₗ₊₁, x) ∝ N(zₗ; mu, sigma²) p(zₗ|zₗ₊₁); its precision is the sum of both, so that a level
    without evidence has no divergence. It differs from the paper in two points: there is no BatchNorm, and the decoder
    reads all levels, concatenated with z₁ first, so that the upper levels stay in use.

    Each divergence is exact given the sample of the level above. A divergence whose weight rises from 0, such as
    ``KLDivergence(Constant(warmup_images=...))``, keeps more latents active (section 2.3 of the paper).

    Paper: Ladder Variational Autoencoders, https://arxiv.org/abs/1602.02282, equations 12 to 20

    Args:
        latent_dims: Width of each level from z₁ upwards; the width of the code is their sum.
        width: Width of the encoder's features, and of the hidden layers.

    Raises:
        InputError: The list is empty, or a width is below 1.
    """

    def __init__(self, latent_dims: Sequence[int] = (32, 16), width: int = 200) -> None:
        if not latent_dims or any(each not in COUNT for each in (*latent_dims, width)):
            raise InputError(
                f"HierarchicalBottleneck cannot have latent_dims {list(latent_dims)} and width {width}: give each "
                "level, and the layers, a width of at least 1"
            )
        super().__init__(sum(latent_dims))
        self.latent_dims = tuple(latent_dims)
        self.width = width
        self.climb = nn.ModuleList(nn.Linear(width, width) for _ in self.latent_dims[1:])
        self.evidence = nn.ModuleList(nn.Linear(width, 2 * dim) for dim in self.latent_dims)
        self.priors = nn.ModuleList(
            nn.Sequential(nn.Linear(above, width), nn.ReLU(), nn.Linear(width, 2 * dim))
            for dim, above in pairwise(self.latent_dims)
        )

    @property
    def has_prior(self) -> bool:
        """True: the levels can be sampled from the top downwards."""
        return True

    @property
    def features(self) -> int:
        """Width of the features that it reads: `width`."""
        return self.width

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Map features ``(n, width, ...)`` to a code ``(n, latent_dim, ...)``; without a generator to its mean.

        The mean consists of posterior means from the top downwards, each given the mean of the level above.
        """
        require_features(self, features)
        evidence = self.bottom_up(at_least_float32(features))
        levels = self.top_down(evidence, generator)
        sample = mean = concatenated(levels)
        if generator is not None:
            mean = concatenated(self.top_down(evidence, None))
        return Code(sample.to(features.dtype), mean.to(features.dtype), levels)

    def bottom_up(self, features: Tensor) -> list[Normal]:
        """The evidence of each level, from the lowest upwards."""
        hidden = [relu(features)]
        for layer in self.climb:
            hidden.append(relu(per_position(layer, hidden[-1])))
        return [gaussian(layer, each) for layer, each in zip(self.evidence, hidden, strict=True)]

    def top_down(self, evidence: list[Normal], generator: torch.Generator | None) -> tuple[Level, ...]:
        """Sample the levels from the top downwards; without a generator each sample is its posterior mean."""
        *lower, posterior = evidence
        levels = [Level(reparameterised(posterior, generator), posterior, StandardNormal(posterior.loc))]
        for network, likelihood in zip(reversed(self.priors), reversed(lower), strict=True):
            prior = gaussian(network, levels[0].sample)
            posterior = product(likelihood, prior)
            levels.insert(0, Level(reparameterised(posterior, generator), posterior, prior))
        return tuple(levels)

    def sample_prior(self, n: int, generator: torch.Generator, map_size: Shape = ()) -> Tensor:
        """Sample codes ``(n, latent_dim, *map_size)`` from the top downwards, float32, on the generator's device."""
        top = torch.randn(n, self.latent_dims[-1], *map_size, generator=generator, device=generator.device)
        samples = [top.to(next(self.parameters()).device)]
        for network in reversed(self.priors):
            samples.insert(0, reparameterised(gaussian(network, samples[0]), generator))
        return torch.cat(samples, 1).to(generator.device, torch.float32)


def per_position(network: nn.Module, x: Tensor) -> Tensor:
    """Apply a network to vectors ``(n, width)``, or to the vector at each position of maps ``(n, width, h, w)``."""
    return network(x.movedim(1, -1)).movedim(-1, 1)


def gaussian(network: nn.Module, x: Tensor) -> Normal:
    """The Gaussian whose mean and log-variance a network gives."""
    mean, log_variance = at_least_float32(per_position(network, x)).chunk(2, dim=1)
    return LogVarianceNormal(mean, log_variance)


def product(first: Normal, second: Normal) -> Normal:
    """The normalised product of two densities: its mean is their mean, weighted by precision."""
    ratio = first.scale / second.scale
    root = (1 + ratio.square()).sqrt()
    return Normal(
        first.loc + (second.loc - first.loc) * (ratio / root).square(), first.scale / root, validate_args=False
    )


def reparameterised(distribution: Normal, generator: torch.Generator | None) -> Tensor:
    """A reparameterised sample; without a generator the mean."""
    if generator is None:
        return distribution.loc
    noise = torch.randn(distribution.loc.shape, generator=generator, device=generator.device)
    return distribution.loc + distribution.scale * noise.to(distribution.loc)


def concatenated(levels: Sequence[Level]) -> Tensor:
    """The samples of all levels, concatenated, the lowest first."""
    return torch.cat([level.sample for level in levels], 1)
