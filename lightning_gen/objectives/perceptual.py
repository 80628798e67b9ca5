"""Distances between images in the features of a frozen network."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import vgg16

from lightning_gen import private
from lightning_gen.errors import InputError
from lightning_gen.pretrained import Frozen
from lightning_gen.records import Reconstruction
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term, at_least_float32


class Perceptual(Term):
    """The distance of the expected samples from x in the features of a frozen network.

    E[Σ over levels of the mean over positions of Σ over channels (f(x) - f(samples))²], where the features f of each
    position are divided by their norm over the channels, as in LPIPS without its weights. It is not a likelihood but is
    added to one, and its weight sets the balance with the nats.

    The network stays in evaluation mode, its weights are frozen, and checkpoints hold them, so that a resumed run has
    the same features. Precision and device are those of the module.

    Loading a checkpoint rebuilds a network of your own class if it keeps its constructor's arguments as attributes. It
    cannot rebuild an ``nn.Sequential``: then pass the objective again.

    Paper: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, https://arxiv.org/abs/1801.03924,
    equation 1

    Args:
        network: Maps samples ``(n, *shape)`` to features ``(n, channels, ...)``, or to several such levels.
        weight: Factor of the term in the objective, or a schedule of it.
    """

    def __init__(self, network: nn.Module, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        self.network = network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Perceptual":
        """Set the mode of everything but the network, which stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean distance over the batch, a scalar; gradients reach the decoder."""
        with torch.no_grad():
            expected = levels(self.network(at_least_float32(record.x)))
        given = levels(self.network(at_least_float32(record.samples)))
        distances = [squared_distance(f, g).sum(1).mean(1) for f, g in zip(expected, given, strict=True)]
        return torch.stack(distances).sum(0).mean()


class LPIPS(Term):
    """The perceptual distance in features of VGG16, with weights that were fitted to human judgements of similarity.

    It is `Perceptual` with a weighted sum over channels. Features are those after the ReLUs 1_2, 2_2, 3_3, 4_3 and 5_3;
    images are in [-1, 1], at least 16 x 16, grey or colour. The scale is that of the reference code (version 0.1) and
    of torchmetrics: about 0 to 1 for an image.

    Nothing is downloaded. The files are read when the distance is first computed. Checkpoints hold their paths and not
    the weights, so that a trained model can be used without them.

    Paper: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, https://arxiv.org/abs/1801.03924;
    code: https://github.com/richzhang/PerceptualSimilarity

    Args:
        vgg: File with the weights of torchvision's VGG16, such as vgg16-397923af.pth.
        linear: File with the five linear layers of LPIPS for VGG16; None for the file in torchmetrics.
        weight: Factor of the term in the objective, or a schedule of it.
    """

    def __init__(
        self,
        vgg: str | os.PathLike[str],
        linear: str | os.PathLike[str] | None = None,
        weight: float | Schedule = 1.0,
    ) -> None:
        super().__init__(weight)
        self.vgg = vgg
        self.linear = linear
        self._network = Frozen(partial(stored_features, vgg, linear))

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean distance over the batch, a scalar; gradients reach the decoder.

        Raises:
            InputError: A file is missing or holds other weights, or the samples are not images that VGG16 can read.
        """
        x, samples = colour(record.x), colour(record.samples)
        network = self._network(x)
        with torch.no_grad():
            expected = network(x)
        given = network(samples)
        distances = [
            (squared_distance(f, g) * weights).sum(1).mean(1)
            for f, g, weights in zip(expected, given, network.weights, strict=True)
        ]
        return torch.stack(distances).sum(0).mean()


class VGGFeatures(nn.Module):
    """The five levels of VGG16 that LPIPS compares, with the weights of their channels.

    Args:
        vgg: Weights by their names in torchvision's VGG16; those of the classifier are ignored.
        linear: Weights by their names in LPIPS.

    Raises:
        InputError: The weights are those of other networks.
    """

    ENDS = (4, 9, 16, 23, 30)
    CHANNELS = (64, 128, 256, 512, 512)
    shift: Tensor
    scale: Tensor

    def __init__(self, vgg: dict[str, Tensor], linear: dict[str, Tensor]) -> None:
        super().__init__()
        with torch.device("meta"):
            features = vgg16(weights=None).features
        try:
            stored = {name.removeprefix("features."): w for name, w in vgg.items() if name.startswith("features.")}
            features.load_state_dict(stored, assign=True)
            weights = [linear[f"lin{i}.model.1.weight"].view(c, 1) for i, c in enumerate(self.CHANNELS)]
        except (KeyError, RuntimeError) as error:
            raise InputError(
                "LPIPS was given files of other networks: give torchvision's VGG16 as vgg, and as linear that of LPIPS "
                f"for VGG16 or none ({str(error).splitlines()[0]})"
            ) from None
        starts = (0, *self.ENDS[:-1])
        self.slices = nn.ModuleList(features[start:end] for start, end in zip(starts, self.ENDS, strict=True))
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1))
        for i, weight in enumerate(weights):
            self.register_buffer(f"weight{i}", weight)
        self.eval().requires_grad_(False)

    @property
    def weights(self) -> list[Tensor]:
        """The weights of the channels of each level, ``(channels, 1)`` each."""
        return [self.get_buffer(f"weight{i}") for i in range(len(self.CHANNELS))]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map colour images ``(n, 3, h, w)`` in [-1, 1] to the five levels of features."""
        x, features = (x - self.shift) / self.scale, []
        for part in self.slices:
            x = part(x)
            features.append(x)
        return features


def stored_features(vgg: str | os.PathLike[str], linear: str | os.PathLike[str] | None) -> VGGFeatures:
    """The network of `LPIPS` with the weights in files; see its arguments.

    Raises:
        InputError: A file is missing or holds other weights.
    """
    return VGGFeatures(read_weights(vgg), read_weights(linear or private.LPIPS_VGG16))


def levels(features: Any) -> Sequence[Tensor]:
    """The output of a network as a sequence of levels."""
    return [features] if isinstance(features, Tensor) else features


def squared_distance(first: Tensor, second: Tensor) -> Tensor:
    """Squared differences ``(n, channels, positions)`` of the normalised features ``(n, channels, ...)``."""
    return (unit_length(first) - unit_length(second)).square()


def unit_length(features: Tensor) -> Tensor:
    """Divide features ``(n, channels, ...)`` by their norm over the channels; ``(n, channels, positions)``."""
    features = at_least_float32(features).reshape(*features.shape[:2], -1)
    # 1e-10 under the root, so that features of norm 0 have a finite gradient
    return features * (features.square().sum(1, keepdim=True) + 1e-10).rsqrt()


def colour(x: Tensor) -> Tensor:
    """Repeat the channel of grey images three times.

    Raises:
        InputError: The samples are not images, or are too small for VGG16.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:]) < 16:
        raise InputError(
            f"LPIPS compares grey or colour images of at least 16 x 16, not samples of shape {tuple(x.shape[1:])}: "
            "set --data.size to 16 or more, or leave the term out"
        )
    return at_least_float32(x).expand(-1, 3, -1, -1)


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read weights by their names from a file, as data.

    Raises:
        InputError: The file is missing, or holds something else.
    """
    if not Path(path).is_file():
        raise InputError(
            f"LPIPS reads weights from {path}, which does not exist: give the file of torchvision's VGG16, "
            "vgg16-397923af.pth of https://download.pytorch.org/models, as vgg"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"LPIPS cannot read weights from {path} ({type(error).__name__}): give a file written by torch.save"
        ) from None
