"""Images a second from a folder: the library's cache against torchvision's ImageFolder.

    python tests/benchmarks/folder.py --files 4000

Both yield shuffled batches of float32 images of 64 x 64 in [-1, 1], in the main process and one thread, from the
same files, which the machine holds in memory. torchvision's decodes them by Pillow in every epoch, and resizes the
larger ones; the library did so once, and copies rows of an array that is mapped from the disk. The time of that is
shown too. Epochs of both are interleaved. A decoder in several worker processes is faster by
their number at most.
"""

import argparse
import contextlib
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from lightning_gen.data import ImageFolder

SIZE, BATCH = 64, 64


class Kind(NamedTuple):
    """Files of a folder: their ending, and the size of their images."""

    suffix: str
    width: int
    height: int


KINDS = (Kind(".png", SIZE, SIZE), Kind(".jpg", SIZE, SIZE), Kind(".png", 178, 218), Kind(".jpg", 178, 218))
"""Images of the size of batches, and of the size of CelebA."""


def save_images(folder: Path, kind: Kind, files: int) -> None:
    """Write coarse random colours with a little noise, which compress about as photographs do."""
    rng = np.random.default_rng(0)
    for index in range(files):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((kind.width, kind.height), Image.Resampling.BICUBIC), dtype=np.int16)
        pixels = (smooth + rng.integers(-4, 5, smooth.shape)).clip(0, 255).astype(np.uint8)
        place = folder / f"class{index % 2}"
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{index:06}{kind.suffix}")


def ours(folder: Path, cache: Path) -> ImageFolder:
    """The library's data set."""
    options = {"val_fraction": 0.0, "test_fraction": 0.0, "cache_dir": str(cache)}
    return ImageFolder(str(folder), size=SIZE, batch_size=BATCH, **options)


def theirs(folder: Path) -> DataLoader:
    """Torchvision's."""
    steps = [Resize(SIZE), CenterCrop(SIZE), ToTensor(), Normalize(0.5, 0.5)]
    return DataLoader(torchvision.datasets.ImageFolder(str(folder), Compose(steps)), BATCH, True, drop_last=True)


def batches_of_ours(data: ImageFolder) -> Iterator[Tensor]:
    """An epoch of the library."""
    return (data.scaled(batch).x for batch in data.train_dataloader())


def batches_of_theirs(loader: DataLoader) -> Iterator[Tensor]:
    """An epoch of torchvision."""
    return (x for x, _ in loader)


def rate(epoch: Callable[[], Iterator[Tensor]]) -> float:
    """Images a second of processor time."""
    start = time.process_time()
    images = sum(len(x) for x in epoch())
    return images / (time.process_time() - start)


def spread(rates: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"


def line(kind: Kind, files: int, repeats: int) -> str:
    """Make a folder, compare, remove it: a row of the table."""
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stderr(io.StringIO()):
        folder, cache = Path(place, "pictures"), Path(place, "cache")
        folder.mkdir()
        save_images(folder, kind, files)
        data, loader = ours(folder, cache), theirs(folder)
        start = time.process_time()
        data.setup()
        once = time.process_time() - start
        ways = {"ours": partial(batches_of_ours, data), "theirs": partial(batches_of_theirs, loader)}
        rounds = [{name: rate(epoch) for name, epoch in ways.items()} for _ in range(repeats)]
    rates = {name: [each[name] for each in rounds] for name in ways}
    times = statistics.median(each["ours"] / each["theirs"] for each in rounds)
    label = f"{kind.suffix[1:]} {kind.width} x {kind.height}"
    return f"{label:16}{once:10.2f}   {spread(rates['ours']):28}{spread(rates['theirs']):24}{times:6.0f}"


def main() -> None:
    """Parse the options, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=4000, help="images of the folder")
    parser.add_argument("--repeats", type=int, default=5, help="epochs of each, interleaved")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, Pillow {PIL.__version__}"
    print(f"{platform.machine()}, {os.cpu_count()} cores (load {load}), {versions}")
    print(f"{options.files} files, {options.repeats} epoch(s) of each; images a second of processor time\n")
    print(f"{'files':16}{'once, s':>10}   {'lightning_gen':28}{'torchvision':24}{'times':>6}")
    for kind in KINDS:
        print(line(kind, options.files, options.repeats), flush=True)


if __name__ == "__main__":
    main()
