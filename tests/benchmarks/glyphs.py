"""Translation with known answers, letters of one font to those of another: ``python tests/benchmarks/glyphs.py``.

DejaVu Sans is translated to its bold face, or to DejaVu Serif, at 32 x 32 pixels, black on white, with a common
baseline. Letters are drawn by Pillow from the fonts that matplotlib brings. Those that look like another one in either
font are left out; a seeded tenth each is for validation and test. *Paired*: each letter in both fonts. *Unpaired*: half
of the training letters in one font and the other half in the other, so that no answer was ever seen; the answers of the
test letters are known.

For the test letters: the mean absolute error of pixels in [0, 1], PSNR in dB, the mean over letters, and the share of
translations whose nearest glyph, of all letters in the other font, is the right one. Beside them: copying, and copying
with all strokes thickened by the number of pixels that is best on validation letters.

Runs that are below --folder are not trained again. Their CPU seconds are in the table.
"""

import argparse
import json
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gallery
import matplotlib
import numpy as np
import torch
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont
from tables import call
from torch import Tensor
from torch.nn.functional import max_pool2d

from lightning_gen.applications.trained import Trained
from lightning_gen.media import medium_of

SIDE, POINTS, BASELINE = 32, 24, (16, 24)
"""Side of a picture in pixels, size of the letters, and the middle of their baseline."""
FONTS = {"bold": "DejaVuSans-Bold", "serif": "DejaVuSerif"}
SOURCE = "DejaVuSans"
LAST = 0x2000
"""Letters are below this code point: Latin, Greek, Cyrillic, Armenian, Georgian and others."""
EVERY = "--data.size 32 --data.channels 1 --sample_every_images 1000000000"
ADVERSARIAL_OFF = "--model.discriminator null --model.adversarial null"


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
    "l1": Row("`translation/pix2pix`, absolute error alone", True, f"--config translation/pix2pix {ADVERSARIAL_OFF}"),
    "pix2pix": Row("`translation/pix2pix`", True, "--config translation/pix2pix"),
    "cyclegan": Row("`translation/cyclegan`", False, "--config translation/cyclegan"),
    "cut": Row("`translation/cut`", False, "--config translation/cut"),
    "fastcut": Row("`translation/fastcut`", False, "--config translation/fastcut"),
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
    """The letters of a task.

    Attributes:
        names: Their names.
        source: Their pictures in the first font, uint8 ``(n, 1, 32, 32)``.
        target: Those in the other font.
        rows: Which are for training, validation and test.
    """

    names: list[str]
    source: Tensor
    target: Tensor
    rows: dict[str, Tensor]

    @classmethod
    def of(cls, target: str) -> "Task":
        """The task of a target font; the split is the same for all runs."""
        letters, *pictures = letters_of(FONTS[target])
        order = torch.randperm(len(letters), generator=torch.Generator().manual_seed(0))
        tenth = len(letters) // 10
        parts = order.split([len(letters) - 2 * tenth, tenth, tenth])
        names = [f"u{ord(letter):04x}" for letter in letters]
        return cls(names, pictures[0], pictures[1], dict(zip(("train", "val", "test"), parts, strict=True)))

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

    def figures(self, translations: Tensor, part: str) -> dict[str, float]:
        """The error of translations in [0, 1] of the letters of a part, and how many are recognised."""
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


def translations(checkpoint: Path, source: Tensor) -> Tensor:
    """Translations of pictures uint8, in [0, 1]."""
    module = Trained.open(checkpoint).module
    medium = medium_of(tuple(source.shape[1:]))
    return (module.translate(medium.to_model(source, torch.float32)).clamp(-1, 1) + 1) / 2


def main() -> None:
    """Draw, train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=FONTS, default="bold", help="the font to translate to")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS), help="what is trained")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--options", default="", help="what fit is told beside")
    parser.add_argument("--part", choices=("val", "test"), default="test", help="the letters that are measured")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "glyphs", help="folder of letters and runs")
    options = parser.parse_args()
    folder = options.folder / options.task
    task = Task.of(options.task)
    data = task.folders(folder)
    print(", ".join(f"{len(rows)} letters for {part}" for part, rows in task.rows.items()), flush=True)

    def measured(make: Callable[[Tensor], Tensor], part: str) -> dict[str, float]:
        return task.figures(make(task.source[task.rows[part]].float() / 255), part)

    best = min(range(1, 5), key=lambda pixels: measured(lambda x: thicker(x, pixels), "val")["mae"])
    found = {
        "copying": [measured(lambda x: x, options.part)],
        f"thickened by {best}": [measured(lambda x: thicker(x, best), options.part)],
    }
    for name in options.rows:
        row = ROWS[name]
        for seed in range(options.seeds):
            checkpoint, seconds = trained(row, name, data[row.paired], folder, seed, options.options)
            figures = task.figures(translations(checkpoint, task.source[task.rows[options.part]]), options.part)
            found.setdefault(row.label, []).append({**figures, "cpu_seconds": seconds})
            print(f"{name}, seed {seed}: {found[row.label][-1]}", flush=True)
    cells = [
        [label, *(format(gallery.Figure([run.get(key, 0.0) for run in runs]), f".{digits}f") for key, digits in KEYS)]
        for label, runs in found.items()
    ]
    print(gallery.markdown(["", "mean absolute error", "PSNR, dB", "retrieved", "CPU seconds"], cells))


KEYS = (("mae", 4), ("psnr_db", 2), ("retrieval", 3), ("cpu_seconds", 0))
"""The columns with their digits."""

if __name__ == "__main__":
    main()
