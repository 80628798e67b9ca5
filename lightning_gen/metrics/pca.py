"""Principal component analysis, the best linear code of a width: a baseline for autoencoders."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lightning_gen.errors import InputError

if TYPE_CHECKING:  # it takes long to import
    from sklearn.decomposition import PCA, IncrementalPCA

EXACT_VALUES = 200_000_000
"""Up to this many values (samples times dimensions), 800 MB in float32, PCA is fitted to all samples at once."""

SEED = 0
"""Seed of the randomized solver, which scikit-learn uses for wide data."""


@dataclass(frozen=True)
class PrincipalComponents:
    """A fitted PCA with tensors as input and output.

    Attributes:
        pca: Scikit-learn's estimator; it centres the data and does not scale them.
        samples: Number of samples that it was fitted to.
    """

    pca: "PCA | IncrementalPCA"
    samples: int

    def transform(self, x: Tensor) -> Tensor:
        """Codes ``(n, components)`` of samples ``(n, *shape)``: their coordinates in the basis of components."""
        return torch.from_numpy(self.pca.transform(x.flatten(1).float().cpu().numpy()))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstructions of samples ``(n, *shape)``: their projections on the components, not clipped."""
        flat = x.flatten(1).float().cpu().numpy()
        return torch.from_numpy(self.pca.inverse_transform(self.pca.transform(flat))).reshape(x.shape)

    @property
    def protocol(self) -> dict[str, Any]:
        """How the PCA was fitted, as plain data."""
        from sklearn.decomposition import PCA

        exact = isinstance(self.pca, PCA)
        solver = f"svd_solver {self.pca.svd_solver}, random_state {SEED}" if exact else "in batches"
        return {
            "dimensions": int(self.pca.n_components_),
            "fitted_on": f"{self.samples} training samples",
            "estimator": f"{type(self.pca).__name__} of scikit-learn {version('scikit-learn')}, {solver}",
        }


def skip_reason(components: int, dimensions: int, samples: int) -> str | None:
    """Why PCA is no baseline for a code of a width: one sentence, or None if it is one.

    Args:
        components: Width of the code.
        dimensions: Dimensions of one sample.
        samples: Number of training samples.
    """
    for limit, what in ((dimensions, "dimensions of a sample"), (samples, "training samples")):
        if components >= limit:
            return f"the code holds {components} numbers, and PCA needs fewer than the {limit} {what}"
    return None


def fit_pca(batches: Iterable[Tensor], components: int, values: int) -> PrincipalComponents:
    """Fit scikit-learn's PCA, or beyond `EXACT_VALUES` its IncrementalPCA, which needs one batch in memory at a time.

    Args:
        batches: Samples ``(n, *shape)``; they are flattened. For more values than `EXACT_VALUES`, batches with fewer
            samples than components are left out.
        components: Number of components, at least 1 and below both the dimensions and the number of the samples.
        values: Samples times dimensions, over all batches.

    Raises:
        InputError: There are too many components for the samples or their dimensions.
    """
    from sklearn.decomposition import PCA

    flat = (batch.flatten(1).float().cpu() for batch in batches)
    if values > EXACT_VALUES:
        return _fit_incrementally(flat, components)
    x = np.concatenate([batch.numpy() for batch in flat])
    reason = skip_reason(components, x.shape[1], len(x))
    if reason:
        raise InputError(f"{reason}: fit fewer components")
    # x is a copy, so PCA may centre it in place
    return PrincipalComponents(PCA(components, copy=False, random_state=SEED).fit(x), len(x))


def _fit_incrementally(batches: Iterable[Tensor], components: int) -> PrincipalComponents:
    from sklearn.decomposition import IncrementalPCA

    pca = IncrementalPCA(components)
    for batch in batches:
        if len(batch) >= components:
            pca.partial_fit(batch.numpy())
    return PrincipalComponents(pca, int(pca.n_samples_seen_))
