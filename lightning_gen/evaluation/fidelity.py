"""Metrics of samples in features of a published network, with those of training images, and copies among samples."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lightning_gen.data import DataModule, Samples
from lightning_gen.data.reading import batches, real_images, rounded
from lightning_gen.evaluation.samples import Source, class_draws, say_pace, seeded
from lightning_gen.metrics import Measurement, PretrainedFeatures, Report
from lightning_gen.metrics.copies import Neighbours, digests, neighbours
from lightning_gen.metrics.fidelity import PROTOCOL, compared, measurements, too_few
from lightning_gen.metrics.pretrained_features import skip_reason
from lightning_gen.training.sharding import BATCH, NumberedSamples, from_first, in_order

SEARCHED = 10_000
"""Training images among whose features those nearest to samples are searched, or as many as are compared."""

SHOWN = 16
"""Samples that are shown beside their nearest training images."""


@dataclass(frozen=True)
class Measured:
    """What the first process has computed of samples.

    Attributes:
        samples: The samples.
        outputs: The network's outputs, ``(n, width)``.
        digests: A number for each, equal for equal images.
    """

    samples: NumberedSamples
    outputs: Tensor
    digests: list[int]


@dataclass(frozen=True)
class Reference:
    """The real images that samples are compared with, and those that stand in the place of perfect samples.

    Attributes:
        real: The split of the first.
        other: The split of the second.
        others: Images of the second, in words.
    """

    real: str
    other: str
    others: str

    def split(self, data: DataModule, name: str) -> Samples:
        """A split of data by its name."""
        return getattr(data, f"{name}_set")

    def count(self, data: DataModule, most: int) -> int:
        """Number of samples, and of real images."""
        return min(most, len(self.split(data, self.real)))

    def other_count(self, data: DataModule, most: int) -> int:
        """Number of the images in the place of samples: as many, where there are."""
        return min(self.count(data, most), len(self.split(data, self.other)))


REFERENCES = {"test": Reference("test", "train", "training images"), "train": Reference("train", "test", "test images")}
"""With which split samples are compared: images that training has not seen, or more images, as most papers do."""


def fidelity(
    source: Source, data: DataModule, features: PretrainedFeatures, seed: int, reference: Reference = REFERENCES["test"]
) -> Report:
    """Fréchet and kernel distance, precision, recall, density and coverage of samples against real images, each with
    that of other real images, and copies of training images among samples.

    In a group of processes each draws some of the numbered batches of samples, and the first one computes the figures:
    to the bit those of one process. The report of all processes is the same.
    """
    most = features.kind.most
    count = reference.count(data, most)
    reason = skip_reason(data.medium, data.shape) or too_few(reference.other_count(data, most))
    if reason is not None:
        return Report(omitted={f"figures of {features.name}": reason})
    labels = class_draws(source, data, count, seed)
    measured = measured_samples(NumberedSamples(source.sample, count, seed, labels), data, features)
    return from_first(None if measured is None else report(measured, data, features, reference, seed))


def measured_samples(samples: NumberedSamples, data: DataModule, features: PretrainedFeatures) -> Measured | None:
    """Samples of all processes, on the first one; None on the others."""

    def part(index: int) -> tuple[Tensor, list[int]]:
        (x,) = rounded([samples.batch(index)], data.medium)
        return features.outputs([x]), digests([data.medium.to_stored(x)])

    parts = in_order(part, len(samples))
    if parts is None:
        return None
    return Measured(samples, torch.cat([part[0] for part in parts]), [each for part in parts for each in part[1]])


def report(
    measured: Measured, data: DataModule, features: PretrainedFeatures, reference: Reference, seed: int
) -> Report:
    """All figures, on the first process."""
    most = features.kind.most
    counts = {reference.real: reference.count(data, most), reference.other: reference.other_count(data, most)}
    # more training images than are compared, in the same order, so that the first of them are those that are
    read = counts | {"train": max(counts["train"], min(SEARCHED, most, len(data.train_set)))}
    outputs = {
        name: features.cached_outputs(partial(real_images, data, reference.split(data, name), number, seed), number)
        for name, number in read.items()
    }
    say_pace(features)
    real, other = (outputs[name][: counts[name]] for name in (reference.real, reference.other))
    found = compared(measured.outputs, real, features), compared(other, real, features)
    protocol = {
        "samples": f"{len(measured.outputs)}, in batches of {BATCH} with a seed each",
        "real": f"{len(real)} of {reference.real}, {len(other)} of {reference.other} for floors and ceilings",
        **{key: value for key, value in PROTOCOL.items() if key != "inception_score" or features.kind.num_classes},
        "seed": seed,
    }
    card = {f"features_{features.names.suffix}": {**features.protocol, **protocol}}
    figures = measurements(*found, features, len(measured.outputs), f"{len(other)} {reference.others}")
    return Report(figures, card) + copies(measured, outputs["test"], outputs["train"], data, features, seed)


def copies(
    measured: Measured, test: Tensor, train: Tensor, data: DataModule, features: PretrainedFeatures, seed: int
) -> Report:
    """Copies of training images: in features, with a picture of the closest, and equal pixels."""
    width, suffix, count = features.num_features, features.names.suffix, len(test)
    found, reference = (neighbours(each[:, :width], train[:, :width]) for each in (measured.outputs, test))
    known = set(digests(data.medium.to_stored(x) for x in batches(data, data.train_set)))
    held_out = digests(data.medium.to_stored(x) for x in real_images(data, data.test_set, count, seed))
    same = f"the same of {count} test images instead of samples of the model"
    figures = (
        Measurement(
            f"authenticity_{suffix}",
            found.authenticity,
            "share of samples that are farther from the nearest training image than that one is from all others; far "
            "below that of test images where the model copies",
        ),
        Measurement(f"authenticity_{suffix}_ceiling", reference.authenticity, same),
        Measurement(
            "duplicates",
            sum(each in known for each in measured.digests),
            f"samples of {len(measured.outputs)} that equal a training image in all pixels, lower is better",
        ),
        Measurement("duplicates_floor", sum(each in known for each in held_out), same),
    )
    card: dict[str, Any] = {
        "copies": {
            "training_images": f"{len(train)} of {len(data.train_set)} in features, all for duplicates",
            "shown": "the smallest distance from the nearest training image, over that one's from all others",
        }
    }
    shown = beside(found, measured, data, len(train), seed)
    return Report(figures, card, pictures={"nearest": data.medium.preview(shown, 8)})


def beside(found: Neighbours, measured: Measured, data: DataModule, known: int, seed: int) -> Tensor:
    """The samples that lie closest to a training image, each followed by that image, ``(2 n, *shape)``."""
    rows = found.closest(SHOWN)
    order = torch.randperm(len(data.train_set), generator=seeded(seed))[:known]
    training = data.scaled(data.train_set.__getitems__(order[found.rows[rows]].tolist())).x
    return torch.stack([measured.samples.rows(rows), training.cpu()], dim=1).flatten(0, 1)
