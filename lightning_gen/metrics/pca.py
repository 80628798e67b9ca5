"""What a linear code of the same width can do: principal component analysis, the floor of every autoencoder."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.decomposition import PCA, IncrementalPCA
from torch import Tensor

from lightning_gen.errors import InputError

EXACT_VALUES = 200_000_000
"""Up to so many values (samples times dimensions) all samples are fitted at once, 800 MB of float32."""

SEED = 0
"""Of the randomized solver that scikit-learn takes for wide data."""


@dataclass(frozen=True)
class PrincipalComponents:
    """A fitted PCA that reads and writes tensors.

    Attributes:
        pca: Scikit-learn's estimator; it centres and does not scale.
        samples: Samples it was fitted on.
    """

    pca: PCA | IncrementalPCA
    samples: int

    def transform(self, x: Tensor) -> Tensor:
        """Codes ``(n, components)`` of samples ``(n, *shape)``: their coordinates along the components."""
        return torch.from_numpy(self.pca.transform(x.flatten(1).float().cpu().numpy()))

    def reconstruct(self, x: Tensor) -> Tensor:
        """What is left of samples ``(n, *shape)`` after their projection on the components; not clipped."""
        flat = x.flatten(1).float().cpu().numpy()
        return torch.from_numpy(self.pca.inverse_transform(self.pca.transform(flat))).reshape(x.shape)

    @property
    def protocol(self) -> dict[str, Any]:
        """How it was fitted, as plain data."""
        exact = isinstance(self.pca, PCA)
        solver = f"svd_solver {self.pca.svd_solver}, random_state {SEED}" if exact else "in batches"
        return {
            "dimensions": int(self.pca.n_components_),
            "fitted_on": f"{self.samples} training samples",
            "estimator": f"{type(self.pca).__name__} of scikit-learn {sklearn.__version__}, {solver}",
        }


def obstacle(components: int, dimensions: int, samples: int) -> str | None:
    """Why no PCA of so many components can be compared with: one sentence, or None if it can.

    Args:
        components: Width of the code.
        dimensions: Of one sample.
        samples: To fit on.
    """
    for limit, what in ((dimensions, "dimensions of a sample"), (samples, "training samples")):
        if components >= limit:
            return f"the code holds {components} numbers, and PCA needs fewer than the {limit} {what}"
    return None


def fit_pca(batches: Iterable[Tensor], components: int, values: int) -> PrincipalComponents:
    """Fit scikit-learn's PCA, or beyond `EXACT_VALUES` its IncrementalPCA, which needs one batch in memory at a time.

    Args:
        batches: Samples ``(n, *shape)``, flattened. Where there are more values than `EXACT_VALUES`, a last batch with
            fewer samples than components is left out.
        components: Dimensions to keep, at least 1 and below those of a sample and the number of samples.
        values: Samples times dimensions in all batches together.

    Raises:
        InputError: The components are more than the samples or their dimensions allow.
    """
    flat = (batch.flatten(1).float().cpu() for batch in batches)
    if values > EXACT_VALUES:
        return _fit_incrementally(flat, components)
    x = np.concatenate([batch.numpy() for batch in flat])
    reason = obstacle(components, x.shape[1], len(x))
    if reason:
        raise InputError(f"{reason}: fit fewer components")
    # x is a copy already, so it may be centred in place
    return PrincipalComponents(PCA(components, copy=False, random_state=SEED).fit(x), len(x))


def _fit_incrementally(batches: Iterable[Tensor], components: int) -> PrincipalComponents:
    pca = IncrementalPCA(components)
    for batch in batches:
        if len(batch) >= components:
            pca.partial_fit(batch.numpy())
    return PrincipalComponents(pca, int(pca.n_samples_seen_))
