"""What can be read off a code: the accuracy of the plainest classifiers that are given it."""

import warnings
from dataclasses import dataclass

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from lightning_gen.errors import InputError

NEIGHBOURS = 5
"""Neighbours that vote on a class."""

ITERATIONS = 2_000
"""Iterations of the linear probe, at most; it needs some hundreds."""

CLASSES = 100
"""Classes that the linear probe tells apart, at most."""

NEIGHBOUR_PROTOCOL = {
    "classifier": f"KNeighborsClassifier of scikit-learn {sklearn.__version__}",
    "k": NEIGHBOURS,
    "distance": "Euclidean",
}

PROBE_PROTOCOL = {
    "classifier": f"LogisticRegression of scikit-learn {sklearn.__version__}",
    "penalty": "L2 with C = 1",
    "codes": "standardised by mean and deviation of the training codes",
    "max_iter": ITERATIONS,
}


@dataclass(frozen=True)
class Vectors:
    """Samples as vectors, with their classes.

    Attributes:
        x: ``(n, width)``.
        labels: Class indices, int64, ``(n,)``.
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
        """The vectors and the classes as scikit-learn reads them."""
        return self.x.float().numpy(), self.labels.numpy()


@dataclass(frozen=True)
class Probe:
    """What `probe_accuracy` found.

    Attributes:
        accuracy: Share of test samples that were put in their own class.
        iterations: Iterations that the fit took; `ITERATIONS` where it did not converge.
    """

    accuracy: float
    iterations: int


def neighbour_obstacle(train: Vectors) -> str | None:
    """Why vectors are too few to look for neighbours among: one sentence, or None if they are not."""
    if len(train) < NEIGHBOURS:
        return f"there are {len(train)} training samples, and {NEIGHBOURS} neighbours vote"
    return None


def probe_obstacle(train: Vectors) -> str | None:
    """Why no linear classifier is fitted to vectors: one sentence, or None if it can be."""
    classes = len(train.labels.unique())
    if classes < 2:
        return "the training samples are all of one class"
    if classes > CLASSES:
        return f"the training samples are of {classes} classes, and a linear classifier is fitted to {CLASSES} at most"
    return None


def neighbour_accuracy(train: Vectors, test: Vectors) -> float:
    """Share of test vectors whose class is that of most of their 5 nearest training vectors, by Euclidean distance.

    Args:
        train: At least 5 vectors.
        test: Vectors as wide.

    Raises:
        InputError: There are fewer training vectors.
    """
    reason = neighbour_obstacle(train)
    if reason is not None:
        raise InputError(f"{reason}: give more training samples")
    return float(KNeighborsClassifier(NEIGHBOURS).fit(*train.arrays()).score(*test.arrays()))


def probe_accuracy(train: Vectors, test: Vectors) -> Probe:
    """Fit a linear classifier to training vectors, and count how often it is right on test vectors.

    Logistic regression with an L2 penalty, C = 1, on vectors whose coordinates have mean 0 and variance 1 over the
    training vectors, fitted until it converges: codes of any scale are treated alike.

    Args:
        train: Vectors of 2 to `CLASSES` classes.
        test: Vectors as wide.

    Raises:
        InputError: The training vectors are of fewer or more classes.
    """
    reason = probe_obstacle(train)
    if reason is not None:
        raise InputError(f"{reason}: give other training samples")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the iterations are reported
        probe.fit(*train.arrays())
    return Probe(float(probe.score(*test.arrays())), int(max(probe[-1].n_iter_)))
