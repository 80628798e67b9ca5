"""The discriminative score: how well a classifier that is trained for it tells samples from real ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.data.base import ArrayDataset
from lightning_gen.data.loader import seeded
from lightning_gen.errors import InputError
from lightning_gen.metrics.classifier import BATCH, fit_classifier
from lightning_gen.metrics.report import Measured, Measurement

TRAINED_ON = 0.8
"""Share of each set that the classifier is trained on; it is tested on the others."""


@dataclass(frozen=True)
class DiscriminativeScore(Measured):
    """The result of `discriminative_score`.

    Attributes:
        score: The distance of the accuracy from one half, in [0, 0.5]; 0 if the sets cannot be told apart.
        accuracy: The accuracy on held-out samples of both sets.
        held_out: Number of these samples.
    """

    score: float
    accuracy: float
    held_out: int

    def measurements(self) -> tuple[Measurement, ...]:
        """The score with its meaning."""
        meaning = (
            f"how far from 0.5 the accuracy of a classifier of real and generated samples is, on {self.held_out} that "
            "it was not trained on; lower is better"
        )
        return (Measurement("discriminative_score", self.score, meaning),)


def discriminative_score(
    real: Tensor, generated: Tensor, seed: int = 0, steps: int | None = None
) -> DiscriminativeScore:
    """Train a classifier to tell two sets of samples apart, and test it on held-out ones.

    |accuracy - 0.5| on a fifth of the samples. That of two sets of real samples is not 0 either, and is the floor.
    Time-series Generative Adversarial Networks, Yoon et al. 2019
    (https://papers.nips.cc/paper/2019/hash/c9efe5f26cd17ba6216bbe2a7d26d490-Abstract.html), section 5, with the
    convolutional `ConvClassifier` instead of a recurrent network, whose width was half the channels: none at all for
    one channel.

    Args:
        real: Real samples as models see them, ``(n, channels, *sides)``.
        generated: As many generated ones, of the same shape.
        seed: Seed of which samples are held out and of the training.
        steps: Updates of the classifier; None for a number by the number of samples.

    Raises:
        InputError: The sets differ in number or shape, or are too small.
    """
    if real.shape != generated.shape:
        raise InputError(
            f"sets of samples differ in shape, {tuple(real.shape)} and {tuple(generated.shape)}: compare equal numbers "
            "of samples of one shape"
        )
    count, trained = len(real), int(TRAINED_ON * len(real))
    if 2 * trained < BATCH:
        raise InputError(
            f"{count} samples of each set are too few for a discriminative score: give at least {BATCH * 5 // 8}"
        )
    order = torch.randperm(count, generator=seeded(seed))
    rows = torch.cat([order, order + count])
    x, labels = torch.cat([real, generated]).cpu(), torch.arange(2).repeat_interleave(count)
    held_out = torch.arange(count).repeat(2) >= trained
    training = ArrayDataset(x, labels, rows[~held_out])
    network = fit_classifier(training, tuple(x.shape[1:]), 2, seed, steps)
    tested = ArrayDataset(x, labels, rows[held_out])
    right = sum(
        int((network(batch.x).argmax(1) == batch.labels).sum())
        for batch in (tested.__getitems__(part.tolist()) for part in torch.arange(len(tested)).split(512))
    )
    accuracy = right / len(tested)
    return DiscriminativeScore(abs(accuracy - 0.5), accuracy, len(tested))
