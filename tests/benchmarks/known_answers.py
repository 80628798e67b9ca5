"""Unpaired and paired translation with known answers: ``python tests/benchmarks/known_answers.py bold``.

Pictures of 32 x 32 pixels, in grey, whose right translation is known:

- ``bold`` and ``serif``: letters of DejaVu Sans to those of its bold face, or of DejaVu Serif, black on white, with a
  common baseline. Letters are drawn by Pillow from the fonts that matplotlib brings. Those that look like another one
  in either font are left out; a seeded tenth each is for validation and test.
- ``inverted``: 12,000 pictures of Fashion-MNIST's training split to their negatives; a seeded tenth each is for
  validation and test.
- ``turned``: the digits of scikit-learn, enlarged, to the same turned by 90 degrees, a tenth each for validation and
  test. That is out of reach for networks that change each place by what is near it.

*Paired*: each training picture in both forms. *Unpaired*: half of them in one form and the other half in the other, so
that no answer was ever seen; the answers of the test pictures are known.

For the test pictures: the mean absolute error of pixels in [0, 1], PSNR in dB, the mean over pictures, and the share of
translations whose nearest picture, of all answers, is the right one. Beside them: copying, the mean training target,
and for letters, copying with all strokes thickened by the number of pixels that is best on validation letters.

Runs that are below --folder are not trained again. Their CPU seconds are in the table. With ``--record`` the figures go
into ``results/`` and from there into the pages.
"""

import argparse
import json
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gallery
import matplotlib
import numpy as np
import torch
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont
from tables import ALONE, call
from torch import Tensor
from torch.nn.functional import max_pool2d

from lightning_gen.applications.trained import Trained
from lightning_gen.data import DataModule, Digits, FashionMNIST

SIDE, POINTS, BASELINE = 32, 24, (16, 24)
"""Side of a picture in pixels, size of the letters, and the middle of their baseline."""
SOURCE = "DejaVuSans"
"""The font of the letters that are translated."""
LAST = 0x2000
"""Letters are below this code point: Latin, Greek, Cyrillic, Armenian, Georgian and others."""
GARMENTS = 12_000
"""Pictures of Fashion-MNIST."""
EVERY = "--data.size 32 --data.channels 1 --sample_every_images 1000000000"
ADAM = "Adam --model.{0}_optimizer.lr 0.0005 --model.{0}_optimizer.betas [0.5,0.999]"
OPTIMIZERS = " ".join(f"--model.{player}_optimizer {ADAM.format(player)}" for player in ("generator", "discriminator"))
SHORT = f"--max_images 16000 {OPTIMIZERS}"
"""For recipes without pairs: a higher learning rate for fewer pictures, chosen once, on validation letters of bold."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        label: What it is called.
        paired: Whether it is trained on pairs.
        options: What ``fit`` is told.
    """

    label: str
    paired: bool
    options: str


ROWS = {
    "l1": Row("pairs: the same without a discriminator", True, f"--config translation/pix2pix {ALONE}"),
    "pix2pix": Row("pairs: `translation/pix2pix`", True, "--config translation/pix2pix"),
    "cyclegan": Row("no pairs: `translation/cyclegan`", False, f"--config translation/cyclegan {SHORT}"),
    "cyclegan_without_identity": Row(
        "no pairs: `translation/cyclegan` without its identity term",
        False,
        f"--config translation/cyclegan {SHORT} --model.objective.identity.weight 0",
    ),
    "cut": Row("no pairs: `translation/cut`", False, f"--config translation/cut {SHORT}"),
    "fastcut": Row("no pairs: `translation/fastcut`", False, f"--config translation/fastcut {SHORT}"),
}


def drawn(name: str, letters: str) -> Tensor:
    """Letters of a font, uint8 ``(n, 1, 32, 32)``."""
    font = ImageFont.truetype(str(file_of(name)), POINTS, layout_engine=ImageFont.Layout.BASIC)
    found = []
    for letter in letters:
        picture = Image.new("L", (SIDE, SIDE), 255)
        ImageDraw.Draw(picture).text(BASELINE, letter, fill=0, font=font, anchor="ms")
        found.append(np.asarray(picture))
    return torch.from_numpy(np.stack(found))[:, None]


def letters_of(target: str) -> tuple[str, Tensor, Tensor]:
    """Letters that both fonts draw, each of its own look in both, and their pictures in both."""
    both = sorted(code_points(SOURCE) & code_points(target))
    letters = "".join(chr(code) for code in both if code < LAST and unicodedata.category(chr(code)).startswith("L"))
    pictures = [drawn(name, letters) for name in (SOURCE, target)]
    seen: set[bytes] = set()
    kept = []
    for index in range(len(letters)):
        looks = [bytes([font]) + each[index].numpy().tobytes() for font, each in enumerate(pictures)]
        if not seen.intersection(looks) and all(int(each[index].min()) < 128 for each in pictures):
            kept.append(index)
        seen.update(looks)
    return "".join(letters[index] for index in kept), pictures[0][kept], pictures[1][kept]


def code_points(font: str) -> set[int]:
    """The code points that a font has glyphs for."""
    return set(FT2Font(str(file_of(font))).get_charmap())


def file_of(font: str) -> Path:
    """The file of a font."""
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"


def write(folder: Path, names: list[str], pictures: Tensor) -> None:
    """A PNG for each picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture[0].numpy()).save(folder / f"{name}.png")


@dataclass(frozen=True)
class Task:
    """The pictures of a task.

    Attributes:
        names: Their names.
        source: What is to be translated, uint8 ``(n, 1, 32, 32)``.
        target: The right answers.
        rows: Which are for training, validation and test.
        letters: Whether they are black strokes on white.
    """

    names: list[str]
    source: Tensor
    target: Tensor
    rows: dict[str, Tensor]
    letters: bool = False

    @classmethod
    def split(cls, names: list[str], source: Tensor, target: Tensor, letters: bool = False) -> "Task":
        """Pictures with a seeded tenth for validation and for test, the same for all runs."""
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(0))
        tenth = len(names) // 10
        parts = order.split([len(names) - 2 * tenth, tenth, tenth])
        return cls(names, source, target, dict(zip(("train", "val", "test"), parts, strict=True)), letters)

    @classmethod
    def of_letters(cls, font: str) -> "Task":
        """Letters in `SOURCE` and in another font."""
        letters, *pictures = letters_of(font)
        return cls.split([f"u{ord(letter):04x}" for letter in letters], pictures[0], pictures[1], letters=True)

    @classmethod
    def inverted(cls) -> "Task":
        """Fashion-MNIST and its negatives."""
        pictures = training_pictures(FashionMNIST(download=False, size=SIDE, val_size=0))
        chosen = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[:GARMENTS]
        return cls.split([f"{row:05d}" for row in chosen.tolist()], pictures[chosen], 255 - pictures[chosen])

    @classmethod
    def turned(cls) -> "Task":
        """Digits, upright and turned by 90 degrees."""
        pictures = training_pictures(Digits(size=SIDE, val_fraction=0.0, test_fraction=0.0))
        return cls.split([f"{row:04d}" for row in range(len(pictures))], pictures, pictures.rot90(dims=(2, 3)))

    def folders(self, folder: Path) -> dict[bool, Path]:
        """The folder for paired and that for unpaired training, written unless they are there."""
        found = {True: folder / "paired", False: folder / "unpaired"}
        for paired, place in found.items():
            for part, rows in self.rows.items():
                sides = (rows, rows) if paired or part != "train" else rows.chunk(2)
                for side, pictures, own in zip("AB", (self.source, self.target), sides, strict=True):
                    if not (place / part / side).exists():
                        write(place / part / side, [self.names[row] for row in own], pictures[own])
        return found

    def inputs(self, part: str) -> Tensor:
        """What is to be translated of a part, in [0, 1]."""
        return self.source[self.rows[part]].float() / 255

    def figures(self, translations: Tensor, part: str) -> dict[str, float]:
        """The error of translations in [0, 1] of a part, and how many are recognised."""
        rows = self.rows[part]
        every = self.target.flatten(1).float() / 255
        x, y = translations.flatten(1), every[rows]
        squared = (x - y).square().mean(1)
        right = (torch.cdist(x, every, p=1).argmin(1) == rows).float()
        return {
            "mae": float((x - y).abs().mean()),
            "psnr_db": float((-10 * squared.clamp(min=1e-10).log10()).mean()),
            "retrieval": float(right.mean()),
        }


def training_pictures(data: DataModule) -> Tensor:
    """The training split, uint8 ``(n, 1, 32, 32)``."""
    data.setup()
    return data.train_set[:].x


TASKS: dict[str, Callable[[], Task]] = {
    "bold": partial(Task.of_letters, "DejaVuSans-Bold"),
    "serif": partial(Task.of_letters, "DejaVuSerif"),
    "inverted": Task.inverted,
    "turned": Task.turned,
}


def thicker(pictures: Tensor, pixels: int) -> Tensor:
    """Black strokes on white in [0, 1], thickened by so many pixels to the right and to the bottom."""
    grown = 1 - pictures
    for step in range(pixels):
        kernel = (1, 2) if step % 2 == 0 else (2, 1)
        padded = torch.nn.functional.pad(grown, (kernel[1] - 1, 0, kernel[0] - 1, 0))
        grown = max_pool2d(padded, kernel, stride=1)
    return 1 - grown


def trained(row: Row, name: str, data: Path, folder: Path, seed: int, options: str) -> tuple[Path, float]:
    """The checkpoint of a run and the CPU seconds of its training."""
    run = folder / f"{name}_seed_{seed}"
    kept = run / "trained.json"
    if not kept.exists():
        words = f"{row.options} {EVERY} --data.folder {data} --seed_everything {seed} {options}"
        command = [sys.executable, "-m", "lightning_gen", "fit", *words.split()]
        seconds = call([*command, "--runs_dir", str(folder), "--name", run.name], folder / f"{run.name}.log")
        kept.write_text(json.dumps({"cpu_seconds": seconds}))
    return run / "checkpoints" / "last.ckpt", json.loads(kept.read_text())["cpu_seconds"]


def translations(checkpoint: Path, inputs: Tensor) -> Tensor:
    """Translations of pictures in [0, 1], in the same range."""
    module = Trained.open(checkpoint).module
    return torch.cat([(module.translate(2 * part - 1).clamp(-1, 1) + 1) / 2 for part in inputs.split(256)])


def baselines(task: Task) -> dict[str, Callable[[Tensor], Tensor]]:
    """What needs no training, by its label."""
    mean = task.target[task.rows["train"]].float().mean(0, keepdim=True) / 255
    known = {"copying": lambda x: x, "mean training target": lambda x: mean.expand(len(x), -1, -1, -1)}
    if not task.letters:
        return known
    ways = [partial(thicker, pixels=pixels) for pixels in range(1, 5)]
    best = min(ways, key=lambda way: task.figures(way(task.inputs("val")), "val")["mae"])
    return {**known, f"thickened by {best.keywords['pixels']}, chosen on validation letters": best}


def main() -> None:
    """Make the pictures, train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS, help="what is translated")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS), help="what is trained")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--options", default="", help="what fit is told beside")
    parser.add_argument("--part", choices=("val", "test"), default="test", help="the pictures that are measured")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "known_answers", help="folder of all files")
    parser.add_argument("--record", action="store_true", help="store the figures in results/ and rewrite the pages")
    options = parser.parse_args()
    if options.record and options.part != "test":
        parser.error("the pages show the test pictures: leave out --record or --part")
    folder = options.folder / options.task
    task = TASKS[options.task]()
    data = task.folders(folder)
    print(", ".join(f"{len(rows)} pictures for {part}" for part, rows in task.rows.items()), flush=True)
    inputs = task.inputs(options.part)
    found = {label: [task.figures(make(inputs), options.part)] for label, make in baselines(task).items()}
    for name in options.rows:
        row = ROWS[name]
        for seed in range(options.seeds):
            checkpoint, seconds = trained(row, name, data[row.paired], folder, seed, options.options)
            figures = task.figures(translations(checkpoint, inputs), options.part)
            found.setdefault(row.label, []).append({**figures, "cpu": seconds})
            print(f"{name}, seed {seed}: {found[row.label][-1]}", flush=True)
    measured = {
        f"{options.task}, {label}": {key: [run[key] for run in runs] for key in runs[0]}
        for label, runs in found.items()
    }
    print(gallery.measured("known_answers", measured))
    if options.record:
        told = {f"{options.task}, {ROWS[name].label}": ROWS[name].options for name in options.rows}
        gallery.record("known_answers", measured, told, f"one thread a run, {options.seeds} seeds from 0")


if __name__ == "__main__":
    main()
