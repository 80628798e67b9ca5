"""An autoencoder as a transformer of scikit-learn, to stand where PCA stands."""

from collections.abc import Iterator
from math import prod
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted
from torch import Tensor

from lightning_gen.applications.embedding import codes_of, require_encoder
from lightning_gen.applications.inputs import batch_size
from lightning_gen.applications.trained import Trained
from lightning_gen.contexts import evaluating
from lightning_gen.errors import InputError
from lightning_gen.modules import Autoencoder
from lightning_gen.records import Batch, Shape

TOLERANCE = 1e-3
"""Amount by which floats may exceed their range: that of rounding in what scaled them."""


class Codes(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Maps samples to the codes of a trained autoencoder, and back: PCA's interface for a model that is trained.

    ``make_pipeline(Codes("runs/vae"), StandardScaler(), LogisticRegression()).fit(x, y)`` classifies by codes. ``fit``
    opens the checkpoint and checks the samples; it trains nothing.

    Samples are rows ``(n, features)``, as PCA reads them, or arrays ``(n, *shape)``: uint8 as they are stored, or
    floats as the model sees them, which are pixels in [-1, 1] for images.

    Attributes:
        n_features_in_: Numbers in a sample.
        code_shape_: Shape of the code of a sample, ``(latent_dim, *map_size)``; ``transform`` flattens it.

    Args:
        checkpoint: The checkpoint of an autoencoder, or the folder of its run.
        device: Where the networks run; ``auto`` is a GPU if there is one.
    """

    n_features_in_: int
    code_shape_: Shape

    def __init__(self, checkpoint: str, device: str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.device = device

    def fit(self, X: ArrayLike, y: Any = None) -> "Codes":
        """Open the checkpoint and check the samples.

        Raises:
            InputError: The checkpoint cannot be read, its model has no encoder or is conditional, or the samples have
                another shape or range.
        """
        self._trained = opened(self.checkpoint, self.device)
        self.n_features_in_ = prod(self._trained.module.data_shape)
        self._given(X)
        self.code_shape_ = tuple(self._trained.module.latent_shape)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """The codes of samples, without noise, float32 ``(n, d)``.

        Raises:
            InputError: The samples have another shape or range than the model's.
        """
        check_is_fitted(self)
        given = self._given(X)
        return codes_of(self._model, self._batches(given), len(given), self.code_shape_)

    @torch.no_grad()
    def inverse_transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """The samples of codes ``(n, d)``, float32 ``(n, features)`` as the model sees them, images in [-1, 1].

        Raises:
            InputError: The codes have another width.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=np.float32)
        if codes.shape[1] != self._n_features_out:
            raise InputError(
                f"the codes have {codes.shape[1]} numbers and those of the model {self._n_features_out}: give what "
                "transform returned"
            )
        model, size = self._model, batch_size(tuple(self._model.module.data_shape))
        found = np.empty((len(codes), self.n_features_in_), np.float32)
        with evaluating(model.module):
            for start in range(0, len(codes), size):
                part = torch.from_numpy(codes[start : start + size]).unflatten(1, self.code_shape_).to(model.device)
                found[start : start + size] = self._autoencoder.decode(part).flatten(1).float().cpu().numpy()
        return found

    @property
    def _n_features_out(self) -> int:
        """Numbers in a code, of which scikit-learn makes the names of the columns."""
        return prod(self.code_shape_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "code_shape_")

    def __getstate__(self) -> dict[str, Any]:
        """The state without the model, which a copy or another process opens again from the checkpoint."""
        state = dict(super().__getstate__())
        state.pop("_trained", None)
        return state

    @property
    def _model(self) -> Trained:
        if not hasattr(self, "_trained"):
            self._trained = opened(self.checkpoint, self.device)
        return self._trained

    @property
    def _autoencoder(self) -> Autoencoder:
        return cast(Autoencoder, self._model.module)

    def _given(self, X: ArrayLike) -> NDArray[Any]:
        """Samples ``(n, *shape)``, checked."""
        shape = tuple(self._model.module.data_shape)
        x = np.asarray(check_array(X, dtype=None, ensure_2d=False, allow_nd=True))
        if x.shape[1:] not in (shape, (prod(shape),)):
            raise InputError(
                f"the samples have shape {x.shape[1:]} and the model was trained on {shape}: give arrays "
                f"(n, {', '.join(map(str, shape))}), or rows of {prod(shape)} numbers"
            )
        medium = self._model.medium
        if x.dtype.kind == "f" and medium.bounded and np.abs(x).max(initial=0) > 1 + TOLERANCE:
            raise InputError(
                f"the samples go from {x.min():.4g} to {x.max():.4g} and the model sees {medium.unit}: give uint8 from "
                "0 to 255, or scale them"
            )
        if x.dtype.kind != "f" and x.dtype != np.uint8:
            raise InputError(f"the samples are {x.dtype}: give uint8 as it is stored, or floats, {medium.unit}")
        return x.reshape(len(x), *shape)

    def _batches(self, x: NDArray[Any]) -> Iterator[Batch]:
        """Samples as the model sees them, on its device."""
        model, size = self._model, batch_size(tuple(self._model.module.data_shape))
        for start in range(0, len(x), size):
            part: Tensor = torch.from_numpy(np.ascontiguousarray(x[start : start + size]))
            yield Batch.of(part, to_model=model.medium.to_model).to(model.device)


def opened(checkpoint: str, device: str) -> Trained:
    """The model of a checkpoint, if a transformer can be made of it.

    Raises:
        InputError: It cannot be read, has no encoder, or needs classes, which scikit-learn gives no transformer.
    """
    trained = Trained.open(checkpoint, device)
    require_encoder(trained)
    if trained.module.num_classes is not None:
        raise InputError(
            f"{checkpoint} is conditional and scikit-learn gives a transformer no classes: write its codes with "
            "`lightning_gen embed`"
        )
    return trained
