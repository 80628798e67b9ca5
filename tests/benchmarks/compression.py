"""Rate and distortion of a VQ-VAE on Fashion-MNIST, beside JPEG, WebP and AVIF at equal PSNR.

    python tests/benchmarks/compression.py --codes 32 128 512 2048 --images 160000 --folder compression

It trains ``autoencoder/vq_vae`` on 28 x 28 pixels with each number of codes, compresses the first pictures of the test
split by ``compress``, and writes the same pictures with each codec twice: a file each, and all in one mosaic, which
pays for one header and predicts across pictures. A rate is the bits of complete files per pixel, with all headers on
both sides; PSNR is the mean of each picture's, of 8-bit pixels. At each point of the model the rates of the codecs are
read off the lines between their qualities; a point outside of them is left out. Differences of whole curves are
Bjøntegaard's, with Akima's interpolation, where three quarters of their ranges of PSNR overlap.

Points that are in the folder are not trained again; with other checkpoints of Fashion-MNIST, ``--checkpoints``, nothing
is. The expected time is printed first.
"""

import argparse
import io
import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bjontegaard import bd_rate
from PIL import Image

from lightning_gen.applications import Trained, compress, fit_tables, kept_tables, read_inputs
from lightning_gen.applications.reading import of_split

SIDE = 28
IMAGES_A_SECOND = 400
"""Of training, on one core of an AMD EPYC that nothing else uses."""
TABLES, CODECS = 2, 8
"""Minutes there that tables of a point take, and the codecs."""
QUALITIES = {
    "JPEG": (1, 3, 5, 8, 12, 16, 20, 30, 50, 70),
    "WEBP": (0, 1, 3, 5, 8, 12, 20, 35, 50, 70),
    "AVIF": (1, 3, 6, 10, 15, 20, 25, 30),
}
"""Of Pillow's encoders."""
BEST = {"JPEG": {"optimize": True}, "WEBP": {"method": 6}, "AVIF": {"speed": 0}}
"""The settings with which each makes its smallest files: AVIF needs a fifth less at speed 0 than by default, 6."""
OVERLAP = 0.75
"""Share of the ranges of PSNR that must overlap for a difference of two curves."""


class Point(NamedTuple):
    """A rate and what it gives.

    Attributes:
        bits_per_pixel: Of complete files.
        psnr_db: Mean of each picture's.
        of: What it is a point of: codes, or a quality.
    """

    bits_per_pixel: float
    psnr_db: float
    of: int


def psnr_db(x: np.ndarray, y: np.ndarray) -> float:
    """Mean of each picture's PSNR, of uint8 ``(n, h, w)``; at most 100 dB each."""
    error = np.square((x.astype(float) - y.astype(float)) / 255).reshape(len(x), -1).mean(1)
    return float((-10 * np.log10(np.maximum(error, 1e-10))).mean())


def written(pixels: np.ndarray, codec: str, quality: int) -> tuple[int, np.ndarray]:
    """Size in bytes of a picture's file, and the grey picture in it."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, codec, quality=quality, **BEST[codec])
    return len(file.getvalue()), np.asarray(Image.open(file).convert("L"))


def single(pictures: np.ndarray, codec: str, quality: int) -> Point:
    """A file for each picture."""
    sizes, found = zip(*(written(each, codec, quality) for each in pictures), strict=True)
    return Point(8 * sum(sizes) / pictures.size, psnr_db(pictures, np.stack(found)), quality)


def mosaic(pictures: np.ndarray, codec: str, quality: int) -> Point:
    """One file with all pictures beside each other; pixels of empty cells are not counted."""
    n, height, width = pictures.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, height, width), np.uint8)
    cells[:n] = pictures
    tiled = cells.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)
    size, found = written(tiled, codec, quality)
    back = found.reshape(rows, height, columns, width).swapaxes(1, 2).reshape(-1, height, width)[:n]
    return Point(8 * size / pictures.size, psnr_db(pictures, back), quality)


def at(curve: Sequence[Point], psnr: float) -> float | None:
    """The rate of a codec at a PSNR, on the line between its nearest qualities; None outside of them."""
    points = sorted(curve, key=lambda point: point.psnr_db)
    if not points[0].psnr_db <= psnr <= points[-1].psnr_db:
        return None
    return float(np.interp(psnr, [each.psnr_db for each in points], [each.bits_per_pixel for each in points]))


def difference(anchor: Sequence[Point], curve: Sequence[Point]) -> float | None:
    """Bjøntegaard's difference of rates in percent, negative where `curve` needs less; None without enough overlap."""
    lists = []
    for points in (anchor, curve):
        ordered = sorted(points, key=lambda point: point.psnr_db)
        lists += [[each.bits_per_pixel for each in ordered], [each.psnr_db for each in ordered]]
    low, high = max(lists[1][0], lists[3][0]), min(lists[1][-1], lists[3][-1])
    span = lists[3][-1] - lists[3][0]
    if len(curve) < 4 or span <= 0 or (high - low) / span < OVERLAP:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wants the codec's range to be as narrow as the model's
        return float(bd_rate(*lists, method="akima", require_matching_points=False, min_overlap=0))


def train(codes: int, images: int, folder: Path) -> Path:
    """The checkpoint of a point, trained unless it is there."""
    name = f"{codes}_codes_{images}_images"
    path = folder / name / "checkpoints" / "last.ckpt"
    if not path.exists():
        schedule = "--model.scheduler.learning_rate"
        words = f"--config autoencoder/vq_vae --config data/fashion_mnist --data.size {SIDE} --data.batch_size 128 "
        words += f"--model.bottleneck.codes {codes} --model.optimizer.lr 0.002 --model.scheduler ImageSchedule "
        words += f"{schedule} Cosine {schedule}.end_images {images} --max_images {images} --name {name}"
        call = [sys.executable, "-m", "lightning_gen", "fit", *words.split(), "--runs_dir", str(folder)]
        subprocess.run(call, check=True)
    return path


def measure(checkpoint: Path, n: int) -> tuple[Point, np.ndarray]:
    """The model's point on the first pictures of the test split, and these pictures, uint8 ``(n, h, w)``."""
    trained = Trained.open(checkpoint)
    test = of_split(trained, "test")
    pictures = test.samples[:n].x.numpy()
    folder = checkpoint.parent
    np.save(folder / "pictures.npy", pictures)
    tables = kept_tables(trained) or fit_tables(trained)
    found = compress(read_inputs(trained, str(folder / "pictures.npy")), tables)
    assert found.error.psnr_db is not None
    return Point(found.rate, found.error.psnr_db, max(tables.sizes)), pictures[:, 0]


def row(*cells: object) -> str:
    """A row of a table, numbers with three digits."""
    shown = ["–" if each is None else f"{each:.3f}" if isinstance(each, float) else str(each) for each in cells]
    return "| " + " | ".join(shown) + " |"


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", type=int, nargs="+", default=[32, 128, 512, 2048])
    parser.add_argument("--images", type=int, default=160_000, help="length of each training")
    parser.add_argument("--folder", type=Path, default=Path("compression"), help="where the runs are")
    parser.add_argument("--checkpoints", type=Path, nargs="*", help="points that are trained already")
    parser.add_argument("--n", type=int, default=1000, help="pictures of the test split")
    parser.add_argument("--output", type=Path, help="a JSON file for all points")
    options = parser.parse_args()
    trainings = 0 if options.checkpoints else len(options.codes)
    points = options.checkpoints or options.codes
    minutes = trainings * options.images / IMAGES_A_SECOND / 60 + TABLES * len(points) + CODECS
    print(f"expected time on one core: {minutes:.0f} minutes", flush=True)
    paths = options.checkpoints or [train(codes, options.images, options.folder) for codes in options.codes]

    model, pictures = [], np.empty(0)
    for path in paths:
        point, pictures = measure(path, options.n)
        model.append(point)
    layouts: dict[str, Callable[[np.ndarray, str, int], Point]] = {"a file each": single, "one mosaic": mosaic}
    curves = {
        f"{codec}, {name}": [write(pictures, codec, quality) for quality in qualities]
        for codec, qualities in QUALITIES.items()
        for name, write in layouts.items()
    }
    print(row("codes", "PSNR, dB", "bits per pixel", *curves))
    print(row(*["---"] * (3 + len(curves))))
    for point in model:
        print(
            row(point.of, point.psnr_db, point.bits_per_pixel, *(at(each, point.psnr_db) for each in curves.values()))
        )
    print(row("BD-rate, %", "", "", *(difference(each, model) for each in curves.values())))
    if options.output:
        options.output.write_text(json.dumps({"model": model, **curves, "pictures": len(pictures)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
