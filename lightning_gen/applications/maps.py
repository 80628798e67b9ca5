"""Maps of codes: their places in a plane, and the plot of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lightning_gen.applications.embedding import Embedding
from lightning_gen.applications.inputs import Inputs
from lightning_gen.applications.thumbnails import has_thumbnails, thumbnails
from lightning_gen.errors import InputError
from lightning_gen.media.scatter import scatter, scattered
from lightning_gen.spelling import suggest

MAPPED = 5000
"""Maximum number of samples on a map, drawn at random; t-SNE of as many takes about half a minute of a processor."""
FEWEST = 4
"""Minimum number of samples on a map."""
PERPLEXITY, NEIGHBOURS = 30, 15
"""Number of neighbours that t-SNE and UMAP keep near, or all there are if these are fewer: their authors' defaults."""
SEEDS = 2**32
"""Number of seeds that scikit-learn and UMAP take; others count modulo this."""
THUMBNAIL = 32
"""Side of a picture on a map in pixels."""
WARNING = "Points that are close have close codes. Distances between clusters and their sizes mean nothing."

Places = NDArray[np.floating]


def by_pca(codes: NDArray[np.float32], seed: int) -> tuple[Places, str]:
    """The first two principal components."""
    from sklearn.decomposition import PCA

    pca = PCA(2, random_state=seed).fit(codes)
    first, second = 100 * pca.explained_variance_ratio_
    said = f"The two directions of most variance: {first:.0f} % to the right and {second:.0f} % upwards."
    return pca.transform(codes), f"PCA. {said}"


def by_tsne(codes: NDArray[np.float32], seed: int) -> tuple[Places, str]:
    """t-SNE from the first two principal components.

    Paper: Visualizing Data using t-SNE, https://www.jmlr.org/papers/v9/vandermaaten08a.html
    """
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(codes) - 1) / 3)
    found = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(codes)
    return found, f"t-SNE, perplexity {perplexity:g}, seed {seed}. {WARNING}"


def by_umap(codes: NDArray[np.float32], seed: int) -> tuple[Places, str]:
    """UMAP, on one thread because it then repeats.

    Paper: UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction,
    https://arxiv.org/abs/1802.03426
    """
    from umap import UMAP

    neighbours = min(NEIGHBOURS, len(codes) - 1)
    start = "spectral" if len(codes) > NEIGHBOURS else "random"  # the spectrum of a few samples has no two directions
    found = UMAP(n_neighbors=neighbours, init=start, random_state=seed, n_jobs=1).fit_transform(codes)
    return found, f"UMAP, {neighbours} neighbours, seed {seed}. {WARNING}"


def needs_nothing() -> None:
    """What is needed is installed with the library."""


def needs_umap() -> None:
    """Check that umap-learn is installed.

    Raises:
        InputError: It is not.
    """
    try:
        import umap  # noqa: F401
    except ImportError:
        raise InputError("--by umap needs umap-learn: pip install umap-learn, or take --by tsne") from None


@dataclass(frozen=True)
class Method:
    """A way to place codes in a plane.

    Attributes:
        place: Maps codes ``(n, d)`` and a seed to places ``(n, 2)``, and a sentence about what they mean.
        check: Raises an InputError if a package is missing.
    """

    place: Callable[[NDArray[np.float32], int], tuple[Places, str]]
    check: Callable[[], None] = needs_nothing


METHODS = {"pca": Method(by_pca), "tsne": Method(by_tsne), "umap": Method(by_umap, needs_umap)}
"""The ways to place codes in a plane by name."""


def chosen_method(name: str) -> Method:
    """The method of a name, checked.

    Raises:
        InputError: There is none of this name, or the package that it needs is missing.
    """
    if name not in METHODS:
        raise InputError(f"there is no --by {name}{suggest(name, METHODS)}: give one of {', '.join(METHODS)}")
    METHODS[name].check()
    return METHODS[name]


def check_mapped(count: int, width: int) -> None:
    """Check that codes can be placed in a plane.

    Args:
        count: Number of samples.
        width: Numbers in a code.

    Raises:
        InputError: There are too few of either.
    """
    if count < FEWEST:
        raise InputError(f"a map needs at least {FEWEST} samples and these are {count}: give more, or leave --map out")
    if width < 2:
        raise InputError("a map needs codes of at least 2 numbers and these have 1: leave --map out")


def drawn_map(embedding: Embedding, inputs: Inputs, method: Method, seed: int = 0) -> Tensor:
    """Plot codes in a plane: with classes as points in their colours, pictures without classes as thumbnails.

    Args:
        embedding: The codes.
        inputs: The samples that they are of.
        method: How they are placed.
        seed: Seed of the method, and of the choice where there are more samples than `MAPPED`.

    Returns:
        uint8 ``(3, height, width)``.

    Raises:
        InputError: There are too few samples or numbers in a code.
    """
    check_mapped(*embedding.codes.shape)
    seed %= SEEDS
    rows = np.arange(len(embedding))
    if len(rows) > MAPPED:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), MAPPED, replace=False))
    points, said = method.place(embedding.codes[rows], seed)
    some = f" These are {len(rows):,} of {len(embedding):,} samples, chosen at random."
    caption = said + (some if len(rows) < len(embedding) else "")
    if embedding.labels is None and has_thumbnails(inputs):
        return scattered(points, thumbnails(inputs, rows.tolist(), THUMBNAIL), caption)
    return scatter(points, None if embedding.labels is None else embedding.labels[rows], embedding.classes, caption)
