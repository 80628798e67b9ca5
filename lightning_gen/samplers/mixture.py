"""A mixture of Gaussians as the density of codes."""

from math import prod

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT
from lightning_gen.records import Shape
from lightning_gen.samplers.base import LatentDensity


class GaussianMixtureSampler(LatentDensity):
    """A mixture of Gaussians with full covariance, fitted by scikit-learn's expectation maximisation.

    Paper: From Variational to Deterministic Autoencoders, https://arxiv.org/abs/1903.12436, section 4, with its 10
    components

    Args:
        components: Number of Gaussians, at least 1.

    Raises:
        InputError: The number is below 1.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, components: int = 10) -> None:
        super().__init__()
        if components not in COUNT:
            raise InputError(f"GaussianMixtureSampler needs at least 1 component, not {components}")
        self.components = components

    def check_size(self, count: int | None, width: int) -> None:
        """Check that there are more codes than dimensions for each component.

        Raises:
            InputError: There are fewer codes, or they are too wide.
        """
        super().check_size(count, width)
        if count is not None and count < self.components * (width + 1):
            fewer = count // (width + 1)
            less = f"--sampler_options.components {fewer} (of fit: --sampler.components {fewer}), " if fewer else ""
            raise InputError(
                f"{count:,} codes of {width:,} numbers are too few for {self.components} Gaussians of full covariance: "
                f"take {less}FlowSampler (--sampler flow), for maps RectifiedFlowSampler (--sampler rectified_flow), "
                "or train with a smaller latent_dim"
            )

    def build(self, shape: Shape) -> None:
        """Create weights ``(k,)``, means ``(k, width)`` and Cholesky factors of covariances ``(k, width, width)``."""
        super().build(shape)
        width, count, double = prod(shape), self.components, torch.float64
        self.register_buffer("weights", torch.full((count,), 1 / count, dtype=double))
        self.register_buffer("means", torch.zeros(count, width, dtype=double))
        self.register_buffer("factors", torch.eye(width, dtype=double).repeat(count, 1, 1))

    def fit_standard(self, codes: Tensor, generator: torch.Generator, labels: Tensor | None = None) -> None:
        """Maximise the likelihood of standardised codes ``(n, width)``."""
        from sklearn.mixture import GaussianMixture  # here: it takes long to import

        seed = int(torch.randint(2**31 - 1, (), generator=generator))
        fitted = GaussianMixture(self.components, max_iter=300, random_state=seed).fit(codes.numpy())
        self.weights = torch.from_numpy(fitted.weights_)
        self.means = torch.from_numpy(fitted.means_)
        self.factors = torch.linalg.cholesky(torch.from_numpy(fitted.covariances_))

    def draw_standard(self, n: int, generator: torch.Generator, labels: Tensor | None = None) -> Tensor:
        """Sample a component for each code, then a code from it."""
        device = generator.device
        chosen = torch.multinomial(self.weights.float().to(device), n, replacement=True, generator=generator).cpu()
        noise = torch.randn(n, self.means.shape[1], generator=generator, device=device).cpu().double()
        codes = self.means[chosen]
        for component in chosen.unique():  # one matrix product for all codes of a component
            rows = chosen == component
            codes[rows] += noise[rows] @ self.factors[component].T
        return codes

    def log_prob_standard(self, codes: Tensor) -> Tensor:
        """Return log Σₖ weightₖ N(z; meanₖ, covarianceₖ)."""
        each = [
            torch.distributions.MultivariateNormal(mean, scale_tril=factor, validate_args=False).log_prob(codes)
            for mean, factor in zip(self.means, self.factors, strict=True)
        ]
        return (torch.stack(each, dim=1) + self.weights.log()).logsumexp(1)
