"""Features to compare pictures in: those of a classifier trained on the data at hand, once, and kept on the disk."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from lightning_gen.data import DataModule, Loader, Samples
from lightning_gen.data.cache import default_cache_dir
from lightning_gen.errors import InputError
from lightning_gen.metrics.classifier import BATCH, VERSION, PictureClassifier, fit_classifier, training_steps
from lightning_gen.metrics.kept import digest, kept, tell
from lightning_gen.paths import expanded
from lightning_gen.records import Batch

READ_AT_ONCE = 512

Pictures: TypeAlias = Callable[[], Iterable[Tensor]]
"""Makes pictures in [-1, 1] in batches ``(size, *shape)``, the same at every call."""


@dataclass(frozen=True)
class Extractor:
    """A trained classifier that reads features and classes off pictures.

    Attributes:
        module: The network, in evaluation mode on the CPU.
        accuracy: Share of the test split that it puts in the right class.
        protocol: What it was trained on and how, as plain data.
        folder: Where its weights are kept, and features of real pictures beside them.
    """

    module: PictureClassifier
    accuracy: float
    protocol: dict[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"a {self.protocol['classifier_of']} classifier"

    @torch.no_grad()
    def features(self, batches: Iterable[Tensor]) -> Tensor:
        """Features ``(n, num_features)`` of pictures in [-1, 1] that come in batches ``(size, *shape)``."""
        return torch.cat([self.module.features(x.cpu()) for x in batches])

    def kept_features(self, pictures: Pictures, count: int) -> Tensor:
        """The same of pictures that are compared again and again: read off once and kept on the disk.

        They are kept under a hash of the pictures themselves and of the weights, so that other pictures, in another
        order or of another size, have features of their own.

        Args:
            pictures: Makes the pictures.
            count: How many there are.
        """
        path = self.folder / f"features-{digest(_version(self.module), pictures())[:32]}.pt"
        like = {"features": torch.empty(count, self.module.num_features)}
        return kept(path, like, lambda: {"features": self.features(pictures())})["features"]

    @torch.no_grad()
    def classes(self, batches: Iterable[Tensor]) -> Tensor:
        """The most likely class of each picture, int64 ``(n,)``, of pictures in [-1, 1] that come in batches."""
        return torch.cat([self.module(x.cpu()).argmax(dim=1) for x in batches])


def obstacle(data: DataModule) -> str | None:
    """Why no classifier can be trained on a data set that was set up: one sentence, or None if one can."""
    name = type(data).__name__
    if not data.medium.dimensions:
        return f"{name} holds {data.medium.noun}, and the features are those of a classifier of pictures"
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
    cache = expanded(cache_dir) if cache_dir else default_cache_dir()
    module = _trained(data, seed, cache)
    protocol = {
        "classifier_of": type(data).__name__,
        "trained_on": f"{len(data.train_set)} training pictures",
        "images_seen": training_steps(len(data.train_set)) * BATCH,
        "seed": seed,
        "version": VERSION,
        "num_features": module.num_features,
        "weights": _digest(module),
    }
    return Extractor(module, _kept_accuracy(module, data.test_set, cache), protocol, cache)


@torch.no_grad()
def accuracy_of(module: PictureClassifier, samples: Samples) -> float:
    """Share of pictures that a classifier puts in their own class."""
    right = 0
    for batch in Loader(samples, READ_AT_ONCE):
        x, labels = Batch.of(batch)
        right += int((module(x).argmax(dim=1) == labels).sum())
    return right / len(samples)


def _trained(data: DataModule, seed: int, cache: Path) -> PictureClassifier:
    """The classifier that is kept in a folder, or a new one."""
    assert data.num_classes is not None
    module, train_set = PictureClassifier(data.shape, data.num_classes), data.train_set
    key = repr((VERSION, torch.__version__, data.shape, data.num_classes, seed))

    def train() -> dict[str, Tensor]:
        name = type(data).__name__
        tell(f"training a classifier of {name} on {len(train_set):,} pictures, once: it will be kept in {cache}")
        return fit_classifier(train_set, data.shape, module.num_classes, seed).state_dict()

    path = cache / f"classifier-{digest(key, _contents(train_set))[:32]}.pt"
    module.load_state_dict(kept(path, module.state_dict(), train))
    return module.eval().requires_grad_(False)


def _kept_accuracy(module: PictureClassifier, samples: Samples, cache: Path) -> float:
    """The `accuracy_of` a classifier, which passes over the samples once only."""
    path = cache / f"accuracy-{digest(_version(module), _contents(samples))[:32]}.pt"
    like = {"accuracy": torch.empty((), dtype=torch.float64)}
    found = kept(path, like, lambda: {"accuracy": torch.tensor(accuracy_of(module, samples), dtype=torch.float64)})
    return found["accuracy"].item()


def _contents(samples: Samples) -> Iterator[Tensor]:
    """All samples and their labels as they are."""
    for x, labels in Loader(samples, READ_AT_ONCE):
        assert labels is not None
        yield from (x, labels)


def _version(module: PictureClassifier) -> str:
    """What figures of a classifier depend on besides the pictures."""
    return repr((VERSION, torch.__version__, _digest(module)))


def _digest(module: PictureClassifier) -> str:
    return digest("", module.state_dict().values())[:16]
