"""Features to compare pictures in: those of a classifier trained on the data at hand, once, and kept on the disk."""

import hashlib
import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_gen.data import DataModule, Loader, Samples
from lightning_gen.data.cache import default_cache_dir, published
from lightning_gen.errors import InputError
from lightning_gen.metrics.classifier import BATCH, VERSION, PictureClassifier, fit_classifier, training_steps

READ_AT_ONCE = 512


@dataclass(frozen=True)
class Extractor:
    """A trained classifier that reads features and classes off pictures.

    Attributes:
        module: The network, in evaluation mode on the CPU.
        accuracy: Share of the test split that it puts in the right class.
        protocol: What it was trained on and how, as plain data.
    """

    module: PictureClassifier
    accuracy: float
    protocol: dict[str, Any]

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"a {self.protocol['classifier_of']} classifier"

    @torch.no_grad()
    def features(self, batches: Iterable[Tensor]) -> Tensor:
        """Features ``(n, num_features)`` of pictures in [-1, 1] that come in batches ``(size, *shape)``."""
        return torch.cat([self.module.features(x.cpu()) for x in batches])

    @torch.no_grad()
    def classes(self, batches: Iterable[Tensor]) -> Tensor:
        """The most likely class of each picture, int64 ``(n,)``, of pictures in [-1, 1] that come in batches."""
        return torch.cat([self.module(x.cpu()).argmax(dim=1) for x in batches])


def obstacle(data: DataModule) -> str | None:
    """Why no classifier can be trained on a data set that was set up: one sentence, or None if one can."""
    name = type(data).__name__
    if len(data.shape) != 3:
        return f"{name} holds points, and the features are those of a classifier of pictures"
    if data.num_classes is None or data.num_classes < 2:
        return f"{name} has no classes, and the features are those of a classifier"
    for split, samples in (("training", data.train_set), ("test", data.test_set)):
        if len(samples) < BATCH:
            return f"the {split} split of {name} holds {len(samples)} pictures, and at least {BATCH} are needed"
    return None


def trained_extractor(data: DataModule, seed: int = 0, cache_dir: str | None = None) -> Extractor:
    """Train a classifier on the training split of labelled pictures, or read the one that was trained on them before.

    Its weights are kept under a hash of the pictures and labels themselves, the seed, the version of the training and
    that of torch, so that data that have changed get a classifier of their own. It is named for what it is: a Fréchet
    distance between its features can only be compared with one between features of the same weights, and is not FID.

    Args:
        data: Pictures with labels; ``setup`` is called.
        seed: Of the training.
        cache_dir: Folder of the weights, made where it is missing; that of decoded pictures if None.

    Raises:
        InputError: No classifier can be trained on the data, see `obstacle`.
    """
    data.setup()
    reason = obstacle(data)
    if reason is not None:
        raise InputError(f"{reason}: give other data")
    assert data.num_classes is not None
    cache = Path(cache_dir).expanduser() if cache_dir else default_cache_dir()
    path = cache / f"classifier-{_key(data, seed)}.pt"
    module = _read(path, data)
    if module is None:
        name, count = type(data).__name__, len(data.train_set)
        _tell(f"training a classifier of {name} on {count:,} pictures, once: it will be kept in {cache}")
        module = fit_classifier(data.train_set, data.shape, data.num_classes, seed)
        _keep(module, path)
    protocol = {
        "classifier_of": type(data).__name__,
        "trained_on": f"{len(data.train_set)} training pictures",
        "images_seen": training_steps(len(data.train_set)) * BATCH,
        "seed": seed,
        "version": VERSION,
        "num_features": module.num_features,
        "weights": _digest(module),
    }
    return Extractor(module, accuracy_of(module, data.test_set), protocol)


@torch.no_grad()
def accuracy_of(module: PictureClassifier, samples: Samples) -> float:
    """Share of samples that a classifier puts in their own class."""
    right = 0
    for batch in Loader(samples, READ_AT_ONCE):
        x, labels = DataModule.scaled(batch)
        right += int((module(x).argmax(dim=1) == labels).sum())
    return right / len(samples)


def _key(data: DataModule, seed: int) -> str:
    key = hashlib.sha256(repr((VERSION, torch.__version__, data.shape, data.num_classes, seed)).encode())
    for x, labels in Loader(data.train_set, READ_AT_ONCE):
        assert labels is not None
        key.update(x.numpy().tobytes())
        key.update(labels.numpy().tobytes())
    return key.hexdigest()[:32]


def _digest(module: PictureClassifier) -> str:
    weights = hashlib.sha256()
    for value in module.state_dict().values():
        weights.update(value.numpy().tobytes())
    return weights.hexdigest()[:16]


def _read(path: Path, data: DataModule) -> PictureClassifier | None:
    """The classifier in a file; None where there is none, or a damaged one, which will be written anew."""
    module = PictureClassifier(data.shape, data.num_classes or 1)
    try:
        module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception:  # what torch raises for a damaged file has no common class
        return None
    return module.eval().requires_grad_(False)


def _keep(module: PictureClassifier, path: Path) -> None:
    """Write the weights whole or not at all; where that fails, say so and go on without."""
    content = io.BytesIO()  # torch reports a full disk as another error than everybody else
    torch.save(module.state_dict(), content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with published(path) as file:
            file.write(content.getvalue())
    except OSError as error:
        _tell(
            f"the classifier cannot be kept in {path.parent} ({error.strerror}) and will be trained again the next "
            "time: set XDG_CACHE_HOME to a folder that you may write to"
        )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
