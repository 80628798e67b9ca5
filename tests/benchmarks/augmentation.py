"""Whether samples of a model that was trained on few labelled images help a classifier: a table.

    python tests/benchmarks/augmentation.py
    python tests/benchmarks/augmentation.py --labels 20 --seeds 2  # a part of it

Fashion-MNIST with 20, 50 and 100 labelled images a class, ten random subsets of each; the rest of the training split is
not seen by anything. One classifier is trained on each row of the table, with the same network, number of updates and
seed, and tested once on the 10,000 test images, after its last update. The samples are of the recipe
``autoencoder/conditional_vae``, trained on the same labelled images. How many samples are added to each image is chosen
among 1, 3 and 10 by classifiers that are trained on four fifths of the labelled images, with samples of a second model
that was trained on these alone, and tested on the other fifth; the least number wins where they are equal. Differences
are paired by subset, with intervals of 95 % of Student's t; the intervals are not corrected for their number.

What is done is stored below --folder at once, so an interrupted table is resumed, and several processes with other
--labels or --first may fill one folder. With ``--record`` the figures go into ``results/`` and into the pages.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gallery
import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from lightning_gen.applications.trained import Trained
from lightning_gen.augmentations import DiffAugment
from lightning_gen.data import ArrayDataset, FashionMNIST
from lightning_gen.files import replacing
from lightning_gen.metrics.classifier import Augment, ConvClassifier, fit_classifier
from lightning_gen.metrics.extractor import accuracy_of
from lightning_gen.training.sharding import NumberedSamples

CLASSES, SHAPE = 10, (1, 28, 28)
LABELS, SEEDS, RATIOS = (20, 50, 100), 10, (1, 3, 10)
UPDATES = 500
"""Updates of each classifier, of 64 images."""
GENERATOR = "--config autoencoder/conditional_vae --max_images 40000"
"""What ``fit`` is told to train a model on the labelled images, beside them."""
MIXED = 0.2
"""Both parameters of the Beta distribution of mixup; its paper takes 0.1 to 0.4."""
GENERATOR_SECONDS, CLASSIFIER_SECONDS = 42.0, 15.0
"""CPU seconds of a model and of a classifier on a core of an AMD EPYC, until there are measured ones."""

ROWS = {
    "nothing": "(a) nothing",
    "augmented": "(b) shift, flip and erasing",
    "mixup": "(c) mixup",
    "samples": "(d) samples",
    "both": "(e) b and samples",
    "twice": "(f) twice the labels",
}
SAMPLED = ("samples", "both")
"""Rows to which samples are added."""
PAIRS = (
    ("augmented", "nothing"),
    ("mixup", "nothing"),
    ("samples", "nothing"),
    ("both", "augmented"),
    ("twice", "nothing"),
)
"""Rows that are compared, each with the one that it is compared with."""


# augmentations --------------------------------------------------------------------------------------------------------

SHIFT_AND_ERASE = DiffAugment(color=False, translation=0.125, cutout=0.3)


def shifted(x: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images that are flipped with probability 1/2, shifted by up to an eighth, and lose a rectangle."""
    flipped = torch.rand(len(x), generator=generator) < 0.5
    x = torch.where(flipped.view(-1, 1, 1, 1), x.flip(-1), x)
    return SHIFT_AND_ERASE(x, generator), labels


def mixed(x: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mixtures of pairs of images and of their classes (mixup, https://arxiv.org/abs/1710.09412)."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    share = float(np.random.default_rng(seed).beta(MIXED, MIXED))
    order = torch.randperm(len(x), generator=generator)
    targets = torch.nn.functional.one_hot(labels, CLASSES).to(x.dtype)
    return share * x + (1 - share) * x[order], share * targets + (1 - share) * targets[order]


AUGMENTS: dict[str, Augment] = {"augmented": shifted, "mixup": mixed, "both": shifted}


# data -----------------------------------------------------------------------------------------------------------------


def subset(data: FashionMNIST, labels: int, seed: int) -> ArrayDataset:
    """Random labelled images of the training split, as many of each class, in an order in which every `CLASSES` images
    are of all classes; a larger subset of the same seed starts with a smaller one.
    """
    known = data.train_set[:]
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(known.x), generator=generator)
    assert known.labels is not None
    rows = [order[known.labels[order] == label][:labels] for label in range(CLASSES)]
    chosen = torch.stack(rows, dim=1).flatten()
    return ArrayDataset(known.x[chosen], known.labels[chosen])


def parts(labelled: ArrayDataset) -> tuple[ArrayDataset, ArrayDataset]:
    """Four fifths of a `subset`, and the other one, both with as many images of each class."""
    fifth = len(labelled) // CLASSES // 5 * CLASSES
    rows = torch.arange(len(labelled))
    return tuple(ArrayDataset(labelled.x, labelled.labels, each) for each in (rows[:-fifth], rows[-fifth:]))  # type: ignore[return-value]


def joined(first: ArrayDataset, samples: ArrayDataset, ratio: int) -> ArrayDataset:
    """Images with the first `ratio` times as many samples."""
    count = ratio * len(first)
    images = first[:]
    assert images.labels is not None
    assert samples.labels is not None
    return ArrayDataset(torch.cat([images.x, samples.x[:count]]), torch.cat([images.labels, samples.labels[:count]]))


def best(accuracies: dict[int, float]) -> int:
    """The key of the greatest value, the least of such keys."""
    return max(accuracies, key=lambda ratio: (accuracies[ratio], -ratio))


# one subset -----------------------------------------------------------------------------------------------------------


class Results:
    """What is known of one subset, in a JSON file: each result is stored as soon as it is there.

    Args:
        path: The file.
        setting: What the results depend on; a file with results of another setting is refused.
    """

    def __init__(self, path: Path, setting: dict[str, Any]) -> None:
        self.path = path
        self.stored = json.loads(path.read_text()) if path.exists() else {"setting": setting, "found": {}, "cpu": {}}
        if self.stored["setting"] != setting:
            sys.exit(f"{path} has results of another setting: give another --folder, or remove it")

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """A result: the stored one, or a new one with the CPU seconds that it takes, those of other programs too."""
        if name not in self.stored["found"]:
            start = cpu_seconds()
            self.stored["found"][name] = compute()
            self.stored["cpu"][name] = cpu_seconds() - start
            with replacing(self.path) as file:
                file.write(json.dumps(self.stored, indent=1).encode())
        return self.stored["found"][name]


def cpu_seconds() -> float:
    """CPU seconds of this process and of the programs that it has run."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@dataclass(frozen=True)
class Subset:
    """Labelled images, and what is measured with them.

    Attributes:
        data: All images.
        labels: Labelled images of each class.
        seed: Seed of their choice, of the models and of the classifiers.
        folder: Where results and models are stored.
    """

    data: FashionMNIST
    labels: int
    seed: int
    folder: Path

    @property
    def results(self) -> Results:
        """The file of the results."""
        setting = {"updates": UPDATES, "generator": GENERATOR, "ratios": list(RATIOS), "mixup": MIXED}
        return Results(self.folder / f"labels_{self.labels}_seed_{self.seed}.json", setting)

    def measure(self) -> dict[str, float]:
        """The accuracy of each row on the test split."""
        results = self.results
        done = {row: results.stored["found"].get(f"accuracy of {row}") for row in ROWS}
        if None not in done.values():
            return done
        few = subset(self.data, self.labels, self.seed)
        ratios, drawn = self.ratios(results, few), self.samples("all", results, few)
        training = {
            **dict.fromkeys(ROWS, few),
            **{row: joined(few, drawn, ratio) for row, ratio in ratios.items()},
            "twice": subset(self.data, 2 * self.labels, self.seed),
        }
        return {
            row: results.once(f"accuracy of {row}", partial(self.accuracy, row, training[row], self.data.test_set))
            for row in ROWS
        }

    def ratios(self, results: Results, few: ArrayDataset) -> dict[str, int]:
        """For rows with samples, the number of samples for each image with which a classifier is best on a fifth."""
        most, fifth = parts(few)
        drawn = self.samples("four fifths", results, most)
        return {
            row: best({ratio: self.tried(row, ratio, results, joined(most, drawn, ratio), fifth) for ratio in RATIOS})
            for row in SAMPLED
        }

    def tried(self, row: str, ratio: int, results: Results, training: ArrayDataset, fifth: ArrayDataset) -> float:
        """The accuracy on the other fifth of a classifier that is trained on four fifths and samples."""
        return results.once(f"{row} {ratio} : 1 on a fifth", partial(self.accuracy, row, training, fifth))

    def accuracy(self, row: str, training: ArrayDataset, test: ArrayDataset) -> float:
        """The accuracy of a new classifier; `test` is read once, after the last update."""
        module: ConvClassifier = fit_classifier(training, SHAPE, CLASSES, self.seed, UPDATES, AUGMENTS.get(row))
        return accuracy_of(module, test)

    def samples(self, name: str, results: Results, images: ArrayDataset) -> ArrayDataset:
        """Samples of a model that is trained on some images, `RATIOS[-1]` times as many as these, class after class."""
        run = f"labels_{self.labels}_seed_{self.seed}_{name.replace(' ', '_')}"
        checkpoint = self.folder / run / "checkpoints" / "last.ckpt"
        if not checkpoint.exists():  # the models may be removed to save space once all is measured
            results.stored["found"].pop(f"model of {name}", None)
        results.once(f"model of {name}", partial(self.fit, run, images))
        module = Trained.open(checkpoint).module
        labels = torch.arange(RATIOS[-1] * len(images)) % CLASSES
        drawn = NumberedSamples(module.sample, len(labels), self.seed, labels)
        return ArrayDataset(torch.cat([module.medium.to_stored(x) for x in drawn]), labels)

    def fit(self, run: str, images: ArrayDataset) -> str:
        """Train a model by the command line; returns what it was told."""
        shutil.rmtree(self.folder / run, ignore_errors=True)
        file, batch = self.folder / f"{run}.npz", images[:]
        assert batch.labels is not None
        np.savez(file, x=batch.x.numpy(), labels=batch.labels.numpy())
        words = f"{GENERATOR} --data Tensors --data.val_fraction 0 --data.test_fraction 0 --seed_everything {self.seed}"
        place = ["--data.path", str(file), "--runs_dir", str(self.folder), "--name", run]
        command = [sys.executable, "-m", "lightning_gen", "fit", *words.split(), *place]
        with (self.folder / f"{run}.log").open("w") as log:
            subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)
        return words


# the table ------------------------------------------------------------------------------------------------------------


def missing(subsets: Sequence[Subset]) -> tuple[int, int, float, float]:
    """The numbers of models and of classifiers that are not measured yet, and the CPU seconds that each takes."""
    stored = [each.results.stored for each in subsets]
    seconds = {
        kind: [value for one in stored for name, value in one["cpu"].items() if name.startswith("model") == kind]
        for kind in (True, False)
    }
    models = 2 * len(subsets) - len(seconds[True])
    classifiers = (len(ROWS) + len(SAMPLED) * len(RATIOS)) * len(subsets) - len(seconds[False])
    usual = {True: GENERATOR_SECONDS, False: CLASSIFIER_SECONDS}
    each = {kind: statistics.median(seconds[kind] or [usual[kind]]) for kind in (True, False)}
    return models, classifiers, each[True], each[False]


def difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The mean of paired differences, and half the width of its interval of 95 %; infinite for a single pair."""
    differences = [one - other for one, other in zip(first, second, strict=True)]
    count = len(differences)
    if count < 2:
        return differences[0], math.inf
    half = student.ppf(0.975, count - 1) * statistics.stdev(differences) / math.sqrt(count)
    return statistics.fmean(differences), float(half)


def verdict(mean: float, half: float) -> str:
    """What a difference says, in words."""
    if math.isinf(half):
        return "one subset has no interval"
    if abs(mean) <= half:
        return "no difference shown"
    return "helps" if mean > 0 else "does not help, it harms"


def table(found: dict[int, list[dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """The rows of the table: accuracies on the test split in %, and below them paired differences in points."""
    rows: dict[str, dict[str, Any]] = {
        title: {f"labels_{labels}": [100 * one[row] for one in cells] for labels, cells in found.items()}
        for row, title in ROWS.items()
    }
    for row, other in PAIRS:
        line = {}
        for labels, cells in found.items():
            mean, half = difference([100 * one[row] for one in cells], [100 * one[other] for one in cells])
            line[f"labels_{labels}"] = f"{mean:+.2f} ± {half:.2f}: {verdict(mean, half)}"
        rows[f"{ROWS[row]} – {ROWS[other]}"] = line
    return rows


def main() -> None:
    """Parse the options, say what it costs, measure what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, nargs="*", default=LABELS, help="labelled images a class")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="number of subsets")
    parser.add_argument("--first", type=int, default=0, help="seed of the first subset")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "augmentation", help="folder of what is measured")
    parser.add_argument("--output", type=Path, help="a JSON file for all accuracies")
    parser.add_argument("--record", action="store_true", help="store the figures in results/ and rewrite the pages")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = FashionMNIST(download=False, size=28)
    data.setup()
    options.folder.mkdir(parents=True, exist_ok=True)
    seeds = range(options.first, options.first + options.seeds)
    cells = {labels: [Subset(data, labels, seed, options.folder) for seed in seeds] for labels in options.labels}
    every = [each for subsets in cells.values() for each in subsets]
    models, classifiers, each_model, each_classifier = missing(every)
    minutes = (models * each_model + classifiers * each_classifier) / 60
    print(
        f"{models} models of {each_model:.0f} s and {classifiers} classifiers of {each_classifier:.0f} s are missing: "
        f"about {minutes:,.0f} minutes of one core",
        flush=True,
    )
    found: dict[int, list[dict[str, float]]] = {labels: [] for labels in cells}
    for labels, subsets in cells.items():
        for one in subsets:
            start = time.monotonic()
            found[labels].append(one.measure())
            accuracies = ", ".join(f"{row} {100 * value:.2f}" for row, value in found[labels][-1].items())
            print(f"{labels} labels, seed {one.seed}, {time.monotonic() - start:.0f} s: {accuracies}", flush=True)
    rows = table(found)
    print(f"\n{gallery.measured('augmentation', rows)}")
    if options.record:
        setting = f"one thread, {options.seeds} subsets, each with its own models and classifiers"
        gallery.record("augmentation", rows, {ROWS[row]: GENERATOR for row in SAMPLED}, setting)
    if options.output is not None:
        options.output.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
