"""Distances between images in the features of a frozen network."""

import os
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import vgg16

from lightning_gen import private
from lightning_gen.errors import InputError
from lightning_gen.pretrained import Frozen, Lite0
from lightning_gen.pretrained import lite0 as lite0_images
from lightning_gen.records import Reconstruction, Translation
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term, at_least_float32


class PerceptualTerm(Term):
    """The base of distances of the expected samples from x in the features of a frozen network.

    A distance is a mean over positions, about as large for an image of any size, and likelihoods are sums over a
    sample's numbers. So a weight that suits one size is too small for larger images, unless it is `per_value`: with it
    the distance is multiplied by the number of a sample's values, C·H·W, and its balance with a likelihood depends
    neither on the size nor on the channels. The code of latent diffusion adds the distance to the absolute error of
    each value and sums: there the weight is 1 beside `LaplaceLikelihood`. So does that of VQGAN, with a mean in the
    place of the sum.

    Papers: High-Resolution Image Synthesis with Latent Diffusion Models, https://arxiv.org/abs/2112.10752; Taming
    Transformers for High-Resolution Image Synthesis, https://arxiv.org/abs/2012.09841

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        per_value: Whether the distance counts once for each value of a sample, and not once for each sample.
    """

    of_translations = True
    needs_pairs = True

    def __init__(self, weight: float | Schedule = 1.0, per_value: bool = False) -> None:
        super().__init__(weight)
        self.per_value = per_value

    def forward(self, record: Reconstruction | Translation) -> Tensor:
        """Return the mean distance over the batch, a scalar; gradients reach the decoder, or the translator.

        Raises:
            InputError: The network cannot read the samples, or its weights are missing.
        """
        distance = self.distances(record.x, record.samples).mean()
        return distance * record.x[0].numel() if self.per_value else distance

    @abstractmethod
    def distances(self, x: Tensor, samples: Tensor) -> Tensor:
        """Return the distance of each of the samples ``(n, *shape)`` from x, ``(n,)``."""


class Perceptual(PerceptualTerm):
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
        per_value: Whether the distance counts once for each value of a sample; see `PerceptualTerm`.
    """

    def __init__(self, network: nn.Module, weight: float | Schedule = 1.0, per_value: bool = False) -> None:
        super().__init__(weight, per_value)
        self.network = network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Perceptual":
        """Set the mode of everything but the network, which stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    def distances(self, x: Tensor, samples: Tensor) -> Tensor:
        """Return the distance of each of the samples ``(n, *shape)`` from x, ``(n,)``."""
        with torch.no_grad():
            expected = levels(self.network(at_least_float32(x)))
        return summed_distances(expected, levels(self.network(at_least_float32(samples))))


class Lite0Perceptual(PerceptualTerm):
    """The perceptual distance in features of EfficientNet-Lite0, which was trained on ImageNet: no file is needed.

    It is `Perceptual` over the four levels of `Lite0.maps`. The extra ``features`` installs the network with its
    weights. They are read when the distance is first computed, and are in no checkpoint, optimizer or average. Images
    are in [-1, 1], at least 32 x 32, grey or colour.

    Unlike LPIPS it is not fitted to what people find similar, and its scale is its own: two photographs that have
    nothing in common are 6 to 8 apart, of at most 16, and less than 1 in LPIPS. So a weight of LPIPS means here about a
    tenth of it. Judge the reconstructions by features of another network too.

    Papers: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, https://arxiv.org/abs/1801.03924,
    equation 1; EfficientNet, https://arxiv.org/abs/1905.11946

    Args:
        weights: File of the weights of `Lite0`; None for the file of its package.
        weight: Factor of the term in the objective, or a schedule of it.
        per_value: Whether the distance counts once for each value of a sample; see `PerceptualTerm`.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        weight: float | Schedule = 1.0,
        per_value: bool = False,
    ) -> None:
        super().__init__(weight, per_value)
        self.weights = weights
        self._network = Frozen(partial(Lite0, weights))

    def distances(self, x: Tensor, samples: Tensor) -> Tensor:
        """Return the distance of each of the images ``(n, 1 or 3, h, w)`` from x, ``(n,)``.

        Raises:
            InputError: The samples are not images of at least 32 x 32, or a package is missing.
        """
        x, samples = (at_least_float32(lite0_images.colour(each)) for each in (x, samples))
        least = Lite0.strides[-1]
        if min(x.shape[2:]) < least:
            raise InputError(
                f"Lite0Perceptual compares images of at least {least} x {least}, not of {x.shape[2]} x {x.shape[3]}: "
                f"set --data.size to {least} or more, or leave the term out"
            )
        network = self._network(x)
        with torch.no_grad():
            expected = network.maps(x)
        return summed_distances(expected, network.maps(samples))


class LPIPS(PerceptualTerm):
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
        per_value: Whether the distance counts once for each value of a sample; see `PerceptualTerm`.
    """

    def __init__(
        self,
        vgg: str | os.PathLike[str],
        linear: str | os.PathLike[str] | None = None,
        weight: float | Schedule = 1.0,
        per_value: bool = False,
    ) -> None:
        super().__init__(weight, per_value)
        self.vgg = vgg
        self.linear = linear
        self._network = Frozen(partial(stored_features, vgg, linear))

    def distances(self, x: Tensor, samples: Tensor) -> Tensor:
        """Return the distance of each of the images ``(n, 1 or 3, h, w)`` from x, ``(n,)``.

        Raises:
            InputError: A file is missing or holds other weights, or the samples are not images that VGG16 can read.
        """
        x, samples = colour(x), colour(samples)
        network = self._network(x)
        with torch.no_grad():
            expected = network(x)
        return summed_distances(expected, network(samples), network.weights)


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


def summed_distances(
    expected: Sequence[Tensor], given: Sequence[Tensor], weights: Sequence[Tensor] | None = None
) -> Tensor:
    """Sum the distances of two lists of features ``(n, channels, ...)`` over the levels.

    Args:
        expected: The features of x.
        given: The features of the samples.
        weights: Weights of the channels of each level, ``(channels, 1)``; None for 1.

    Returns:
        The distance of each sample, ``(n,)``.
    """
    squares = [squared_distance(f, g) for f, g in zip(expected, given, strict=True)]
    if weights is not None:
        squares = [square * weight for square, weight in zip(squares, weights, strict=True)]
    return torch.stack([square.sum(1).mean(1) for square in squares]).sum(0)


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
