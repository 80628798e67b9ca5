"""How well simple classifiers predict the class from a code: nearest neighbours and logistic regression."""

import warnings
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from torch import Tensor

from lightning_gen.errors import InputError

SCIKIT_LEARN = f"scikit-learn {version('scikit-learn')}"
"""The library of the classifiers; it takes long to import, so the functions do."""

NEIGHBOURS = 5
"""Number of neighbours that vote on a class."""

ITERATIONS = 2_000
"""Largest number of iterations of the linear probe; it usually needs some hundreds."""

CLASSES = 100
"""Largest number of classes for the linear probe."""

NEIGHBOUR_PROTOCOL = {
    "classifier": f"KNeighborsClassifier of {SCIKIT_LEARN}",
    "k": NEIGHBOURS,
    "distance": "Euclidean",
}

PROBE_PROTOCOL = {
    "classifier": f"LogisticRegression of {SCIKIT_LEARN}",
    "penalty": "L2 with C = 1",
    "codes": "standardised by mean and deviation of the training codes",
    "max_iter": ITERATIONS,
}


@dataclass(frozen=True)
class Vectors:
    """Codes, or other vectors, with the classes of the samples.

    Attributes:
        x: Vectors, ``(n, width)``.
        labels: Class indices, int64, ``(n,)``.

    Raises:
        InputError: A vector is not finite.
    """

    x: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if not self.x.isfinite().all():
            raise InputError("some codes are not finite: the training diverged, evaluate an earlier checkpoint")

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice) -> "Vectors":
        return Vectors(self.x[rows], self.labels[rows])

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The vectors and the classes as arrays."""
        return self.x.float().numpy(), self.labels.numpy()


@dataclass(frozen=True)
class Probe:
    """The result of `probe_accuracy`.

    Attributes:
        accuracy: Accuracy on the test samples.
        iterations: Number of iterations of the fit; `ITERATIONS` if it did not converge.
    """

    accuracy: float
    iterations: int


def neighbour_skip_reason(train: Vectors) -> str | None:
    """Why there are too few vectors for neighbours: one sentence, or None if there are enough."""
    if len(train) < NEIGHBOURS:
        return f"there are {len(train)} training samples, and {NEIGHBOURS} neighbours vote"
    return None


def probe_skip_reason(train: Vectors) -> str | None:
    """Why no linear classifier is fitted to vectors: one sentence, or None if one is."""
    classes = len(train.labels.unique())
    if classes < 2:
        return "the training samples are all of one class"
    if classes > CLASSES:
        return f"the training samples are of {classes} classes, and a linear classifier is fitted to {CLASSES} at most"
    return None


def neighbour_accuracy(train: Vectors, test: Vectors) -> float:
    """Accuracy of the classifier that takes a vote of the 5 nearest training vectors, by Euclidean distance.

    Args:
        train: Training vectors, at least 5.
        test: Test vectors of the same width.

    Raises:
        InputError: There are fewer than 5 training vectors.
    """
    from sklearn.neighbors import KNeighborsClassifier

    reason = neighbour_skip_reason(train)
    if reason is not None:
        raise InputError(f"{reason}: give more training samples")
    return float(KNeighborsClassifier(NEIGHBOURS).fit(*train.arrays()).score(*test.arrays()))


def probe_accuracy(train: Vectors, test: Vectors) -> Probe:
    """Fit a linear classifier to training vectors, and measure its accuracy on test vectors.

    It is logistic regression with an L2 penalty, C = 1, fitted until it converges. Coordinates are standardised to mean
    0 and variance 1 over the training vectors, so the scale of a code does not matter.

    Args:
        train: Training vectors of 2 to `CLASSES` classes.
        test: Test vectors of the same width.

    Raises:
        InputError: The training vectors have fewer or more classes.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reason = probe_skip_reason(train)
    if reason is not None:
        raise InputError(f"{reason}: give other training samples")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the iterations are reported
        probe.fit(*train.arrays())
    return Probe(float(probe.score(*test.arrays())), int(max(probe[-1].n_iter_)))
