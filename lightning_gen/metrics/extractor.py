"""Features for comparing images: those of a classifier of the data's own classes, trained once and cached on disk."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor

from lightning_gen.data import DataModule, Loader, Samples
from lightning_gen.data.cache import default_cache_dir
from lightning_gen.deprecation import FormerNames
from lightning_gen.errors import InputError
from lightning_gen.inference import Inference, Pace
from lightning_gen.metrics.cache import cached, digest
from lightning_gen.metrics.classifier import BATCH, VERSION, ConvClassifier, ToModel, fit_classifier, training_steps
from lightning_gen.paths import expanded
from lightning_gen.records import Batch
from lightning_gen.terminal import say

READ_AT_ONCE = 512

Batches: TypeAlias = Callable[[], Iterable[Tensor]]
"""Returns images in [-1, 1] in batches ``(size, *shape)``, the same at every call."""


@dataclass(frozen=True)
class Extractor(FormerNames):
    """A trained classifier that gives features and classes of images.

    Attributes:
        module: The network, in evaluation mode, on its device.
        accuracy: Accuracy on the test split.
        protocol: The training data and settings, as plain data.
        folder: The cache of its weights, and of the features of real images.
        inference: How it runs.
        pace: How fast features were computed.
    """

    former_names: ClassVar[Mapping[str, str]] = {"kept_features": "cached_features"}

    module: ConvClassifier
    accuracy: float
    protocol: dict[str, Any]
    folder: Path
    inference: Inference = Inference()  # noqa: RUF009 - frozen, so it can be shared
    pace: Pace = field(default_factory=Pace)

    def running(self, inference: Inference) -> "Extractor":
        """The same classifier on a device and in a precision; it is small, and is not compiled."""
        inference = replace(inference, compiled=False)
        return replace(self, module=self.module.to(inference.device), inference=inference, pace=Pace())

    @property
    def name(self) -> str:
        """A noun phrase for texts."""
        return f"a {self.protocol['classifier_of']} classifier"

    @property
    def num_features(self) -> int:
        """Number of features of an image."""
        return self.module.num_features

    @torch.no_grad()
    def features(self, batches: Iterable[Tensor]) -> Tensor:
        """Features ``(n, num_features)`` of images in [-1, 1], given in batches ``(size, *shape)``."""
        found = []
        for x in batches:
            with self.pace.timed(len(x)):
                found.append(self.inference.run(self.module.features, x.to(self.inference.device)))
        return torch.cat(found)

    def cached_features(self, images: Batches, count: int) -> Tensor:
        """Features of images that are compared repeatedly: they are computed once and cached on disk.

        The name of the cached file is a hash of the images and of the weights, so other images, or the same in another
        order, have another file.

        Args:
            images: Returns the images.
            count: Number of images.
        """
        how = "" if self.inference == Inference() else repr((self.inference.device.type, self.inference.precision))
        path = self.folder / f"features-{digest(_version(self.module) + how, images())[:32]}.pt"
        like = {"features": torch.empty(count, self.module.num_features)}
        return cached(path, like, lambda: {"features": self.features(images())})["features"]

    @torch.no_grad()
    def classes(self, batches: Iterable[Tensor]) -> Tensor:
        """The most likely class of each image, int64 ``(n,)``, of images in [-1, 1] given in batches."""
        logits = (self.inference.run(self.module, x.to(self.inference.device)) for x in batches)
        return torch.cat([each.argmax(dim=1) for each in logits])


def skip_reason(data: DataModule) -> str | None:
    """Why no classifier can be trained on a data set that is set up: one sentence, or None if one can."""
    name = type(data).__name__
    if not data.medium.dimensions:
        return f"{name} holds {data.medium.noun}, and the features are those of a convolutional classifier"
    if data.num_classes is None or data.num_classes < 2:
        return f"{name} has no classes, and the features are those of a classifier"
    for split, samples in (("training", data.train_set), ("test", data.test_set)):
        if len(samples) < BATCH:
            return f"the {split} split of {name} holds {len(samples)} images, and at least {BATCH} are needed"
    return None


def trained_extractor(data: DataModule, seed: int = 0, cache_dir: str | None = None) -> Extractor:
    """Train a classifier on the training split of labelled images, or read the cached one.

    The name of the cached file is a hash of the images and labels, the seed, the version of the training and the
    version of torch, so changed data have another classifier. A Fréchet distance between its features is not FID, and
    can only be compared with distances between features of the same weights.

    Args:
        data: Images with labels; ``setup`` is called.
        seed: Seed of the training.
        cache_dir: Folder of the cache; it is created if it is missing. None for the folder of decoded images.

    Raises:
        InputError: No classifier can be trained on the data, see `skip_reason`.
    """
    data.setup()
    reason = skip_reason(data)
    if reason is not None:
        raise InputError(f"{reason}: give other data")
    cache = expanded(cache_dir) if cache_dir else default_cache_dir()
    module = _trained(data, seed, cache)
    protocol = {
        "classifier_of": type(data).__name__,
        "trained_on": f"{len(data.train_set)} training images",
        "images_seen": training_steps(len(data.train_set)) * BATCH,
        "seed": seed,
        "version": VERSION,
        "num_features": module.num_features,
        "weights": _digest(module),
    }
    return Extractor(module, _cached_accuracy(module, data.test_set, cache, data.medium.to_model), protocol, cache)


@torch.no_grad()
def accuracy_of(module: ConvClassifier, samples: Samples, to_model: ToModel | None = None) -> float:
    """Accuracy of a classifier on labelled samples; `to_model` scales stored values, see `Batch.of`."""
    right = 0
    for batch in Loader(samples, READ_AT_ONCE):
        x, labels = Batch.of(batch, to_model=to_model)
        right += int((module(x).argmax(dim=1) == labels).sum())
    return right / len(samples)


def _trained(data: DataModule, seed: int, cache: Path) -> ConvClassifier:
    """The cached classifier, or a newly trained one."""
    assert data.num_classes is not None
    module, train_set = ConvClassifier(data.shape, data.num_classes), data.train_set
    key = repr((VERSION, torch.__version__, data.shape, data.num_classes, seed))

    def train() -> dict[str, Tensor]:
        name = type(data).__name__
        say(
            f"training a classifier of {name} on {len(train_set):,} images, once: it will be cached in {cache}",
            sys.stderr,
        )
        return fit_classifier(
            train_set, data.shape, module.num_classes, seed, to_model=data.medium.to_model
        ).state_dict()

    path = cache / f"classifier-{digest(key, _contents(train_set))[:32]}.pt"
    module.load_state_dict(cached(path, module.state_dict(), train))
    return module.eval().requires_grad_(False)


def _cached_accuracy(module: ConvClassifier, samples: Samples, cache: Path, to_model: ToModel) -> float:
    """The `accuracy_of` a classifier; it is computed once."""
    path = cache / f"accuracy-{digest(_version(module), _contents(samples))[:32]}.pt"
    like = {"accuracy": torch.empty((), dtype=torch.float64)}
    found = cached(
        path, like, lambda: {"accuracy": torch.tensor(accuracy_of(module, samples, to_model), dtype=torch.float64)}
    )
    return found["accuracy"].item()


def _contents(samples: Samples) -> Iterator[Tensor]:
    """All samples and their labels, without a change."""
    for x, labels in Loader(samples, READ_AT_ONCE):
        assert labels is not None
        yield from (x, labels)


def _version(module: ConvClassifier) -> str:
    """The key of everything but the images that the results of a classifier depend on."""
    return repr((VERSION, torch.__version__, _digest(module)))


def _digest(module: ConvClassifier) -> str:
    return digest("", (value.cpu() for value in module.state_dict().values()))[:16]
