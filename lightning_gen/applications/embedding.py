"""The codes of samples with their names, for search, clustering, plots and other libraries."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

import lightning_gen
from lightning_gen.applications.inputs import Inputs
from lightning_gen.applications.trained import Trained, require_no_translator
from lightning_gen.checkpoint.samplers import weights_key
from lightning_gen.contexts import evaluating
from lightning_gen.errors import InputError
from lightning_gen.evaluation.samples import observed, seeded
from lightning_gen.memory import require_room
from lightning_gen.metrics import Measurement, Report
from lightning_gen.modules import Autoencoder
from lightning_gen.records import Batch, Shape

ACTIVE = 0.01
"""Least variance of a dimension over the samples with which it counts as active.

Paper: Importance Weighted Autoencoders, https://arxiv.org/abs/1509.00519, section 5.2 and appendix C
"""


@dataclass(frozen=True, eq=False)
class Embedding:
    """The codes of samples.

    Attributes:
        codes: float32 ``(n, d)``; codes that are maps ``(latent_dim, height, width)`` are flattened, channel first.
        names: The names of the samples.
        labels: Class indices, int64 ``(n,)``; None if some sample has no class.
        classes: The names of the classes; None where they have none.
        card: How the codes were made, as plain data.
        dimensions: Which of the code's numbers these are, int64 ``(d,)``; None for all.
    """

    codes: NDArray[np.float32]
    names: tuple[str, ...]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...] | None
    card: dict[str, Any]
    dimensions: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def variances(self) -> NDArray[np.float64]:
        """The variance of each dimension over the samples, ``(d,)``."""
        return self.codes.var(axis=0, dtype=np.float64)

    def active(self) -> "Embedding":
        """The codes without the dimensions of a variance below `ACTIVE`: a distance counts those as noise.

        Raises:
            InputError: None varies enough.
        """
        kept = np.flatnonzero(self.variances >= ACTIVE)
        if not len(kept):
            raise InputError(
                f"none of the {self.codes.shape[1]:,} dimensions has a variance of {ACTIVE} or more over these "
                "samples: give more samples, or leave --active out"
            )
        said = f"{len(kept)} of {self.codes.shape[1]} numbers, with a variance of at least {ACTIVE} over the samples"
        codes = np.ascontiguousarray(self.codes[:, kept])
        return replace(self, codes=codes, card={**self.card, "active": said}, dimensions=kept)

    @property
    def card_json(self) -> str:
        """The card as JSON."""
        return json.dumps(self.card)

    def report(self) -> Report:
        """The size of the embedding, with its card."""
        return Report(
            (
                Measurement("samples", len(self), "number of samples"),
                Measurement("dimensions", self.codes.shape[1], "numbers in the code of a sample"),
                Measurement(
                    "active_dimensions",
                    int((self.variances >= ACTIVE).sum()),
                    f"dimensions that have a variance of at least {ACTIVE} over the samples",
                ),
            ),
            self.card,
        )


def embed(inputs: Inputs, seed: int = 0, title: str = "") -> Embedding:
    """The codes of samples, without noise: the mean of the code's distribution, or the nearest codes of a codebook.

    Args:
        inputs: The samples, for an autoencoder.
        seed: Seed of the model's input transform, if it has a random one.
        title: Title of the lines on stderr that say how far it is, if this takes long; without one nothing is said.

    Raises:
        InputError: The model has no encoder, it is conditional and a sample has no class, the codes do not fit into
            memory, or some are not finite.
    """
    require_encoder(inputs.trained)
    inputs.require_labels()
    shape = tuple(inputs.trained.module.latent_shape)
    codes = codes_of(inputs.trained, inputs.batches(title), len(inputs), shape, seed)
    finite = np.isfinite(codes).all(axis=1)
    if not finite.all():
        raise InputError(
            f"the code of {inputs.names[int(finite.argmin())]} is not finite: the training diverged, give an earlier "
            "checkpoint"
        )
    labels = None if inputs.labels is None else inputs.labels.cpu().numpy().astype(np.int64)
    card = card_of(inputs.trained, shape, seed)
    return Embedding(codes, tuple(inputs.names), labels, None if labels is None else inputs.classes, card)


def require_encoder(trained: Trained) -> None:
    """Check that a model encodes samples.

    Raises:
        InputError: It does not.
    """
    require_no_translator(trained, "codes to embed with")
    if not trained.module.reconstructs:
        raise InputError(
            "a GAN has no encoder to embed with: give an autoencoder, or search latents by `reconstruct --codes`"
        )


@torch.no_grad()
def codes_of(
    trained: Trained, batches: Iterable[Batch], count: int, shape: Shape, seed: int = 0
) -> NDArray[np.float32]:
    """The codes of batches, one after another.

    Args:
        trained: An autoencoder.
        batches: Samples as the model sees them, on its device.
        count: Number of all samples.
        shape: Shape of the code of one sample.
        seed: Seed of the model's input transform.

    Returns:
        float32 ``(count, d)``.

    Raises:
        InputError: They do not fit into memory.
    """
    module, width = cast(Autoencoder, trained.module), prod(shape)
    require_room(4.0 * count * width, f"the codes of {count:,} samples", "give fewer samples at a time")
    codes, done = np.empty((count, width), np.float32), 0
    with evaluating(module):
        for batch in observed(module, batches, seeded(seed)):
            found = module.encode(batch.x, batch.labels).flatten(1)
            codes[done : done + len(found)] = found.float().cpu().numpy()
            done += len(found)
    return codes


def card_of(trained: Trained, shape: Shape, seed: int) -> dict[str, Any]:
    """How codes are made, as plain data."""
    module = cast(Autoencoder, trained.module)
    card: dict[str, Any] = {
        "checkpoint": trained.path,
        "module": type(module).__name__,
        "bottleneck": type(module.bottleneck).__name__,
        "images_seen": module.images_seen,
        "weights": weights_key(module),
        **module.protocol,
        "mode": "evaluation: BatchNorm uses its running statistics, dropout is off",
        "codes": "without noise and corruption",
        "code_shape": list(shape),
        "order": "flattened, the channel first",
    }
    if module.input_transform is not None:
        card["observation"] = f"{type(module.input_transform).__name__} is applied once to all samples, seed {seed}"
    if module.num_classes is not None:
        card["conditional"] = "the model is given the class of each sample, so a code need not hold it"
    return {**card, "versions": {"torch": torch.__version__, "lightning_gen": lightning_gen.__version__}}
