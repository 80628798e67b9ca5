"""No number that means nothing is taken by any part: every constructor argument that is a number is tried."""

import contextlib
import importlib
import inspect
import math
import typing
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass

import numpy as np
import pytest

from lightning_gen import EMA, InputError, ranges
from lightning_gen.augmentations import GaussianNoise
from lightning_gen.callbacks import NonFiniteGuard
from lightning_gen.metrics import SlicedWasserstein
from lightning_gen.networks import DCGANDiscriminator
from lightning_gen.objectives import BernoulliLikelihood, Hinge
from lightning_gen.regularizers import R1
from lightning_gen.schedules import Constant, Exponential, ImageSchedule, Linear

ROOMS = (
    *("adversaries", "augmentations", "bottlenecks", "networks"),
    *("objectives", "regularizers", "samplers", "schedules"),
)
GIVEN = {
    "shape": (1, 64, 64),
    "features": 8,
    "latent_dim": 8,
    "num_classes": 3,
    "end_images": 100,
    "likelihood": BernoulliLikelihood(),
    "augmentation": GaussianNoise(),
    "steps": [GaussianNoise()],
    "off_diagonal": 1.0,
    "diagonal": 1.0,
    "weight": 1.0,
    "rate": 8000,
    "period": 3,
    "window": 64,
    "parts": {"one": DCGANDiscriminator((1, 64, 64))},
}
OF_SOUNDS = {"PeriodDiscriminator", "SpectrogramDiscriminator", "WaveDecoder", "WaveEncoder"}
"""Networks of signals alone."""
ALLOWED = {
    ("AdaptiveWeight", "largest", math.inf),  # no bound
    *((name, "warmup_images", 0.5) for name in ("Constant", "Linear", "Cosine", "Exponential")),  # 1e6 / 3 images
    *((name, "start_images", 0.5) for name in ("Linear", "Cosine", "Exponential")),
    *((name, "start_images", -3) for name in ("Linear", "Cosine", "Exponential")),  # begun before the first image
    *((name, number, -3) for name in ("Constant", "Linear", "Cosine") for number in ("first", "last")),
    *((name, "value", -3) for name in ("Hole", "Masking", "PatchMasking")),  # any grey
}
"""What looks out of range and is not."""
WRAPPERS = {"WrappedDecoder", "WrappedDiscriminator", "WrappedEncoder", "WrappedGenerator", "WrappedTranslator"}
OWN_TESTS = {"LPIPS", "Perceptual", *WRAPPERS}
"""Built of networks, which are given as files or made by the user."""


def parts():
    rooms = [importlib.import_module(f"lightning_gen.{room}") for room in ROOMS]
    found = [getattr(room, name) for room in rooms for name in getattr(room, "__all__", vars(room))]
    kinds = {kind for kind in found if inspect.isclass(kind) and kind.__module__.startswith("lightning_gen.")}
    kinds = {
        kind
        for kind in kinds
        if inspect.isfunction(kind.__init__) and kind is not ImageSchedule and not is_dataclass(kind)
    }
    kinds -= {kind for kind in kinds if "args" in inspect.signature(kind).parameters}
    built = [kind for kind in kinds if not inspect.isabstract(kind) and kind.__name__ not in OWN_TESTS]
    return sorted([*built, EMA, NonFiniteGuard, SlicedWasserstein], key=lambda kind: kind.__name__)


def flattened(hint):
    """The types that a hint is made of; those of a sequence in a tuple."""
    if typing.get_origin(hint) is Callable:
        return set()
    if typing.get_origin(hint) in (Sequence, tuple):
        return {(part,) for part in typing.get_args(hint)}
    return set().union(*map(flattened, typing.get_args(hint))) if typing.get_args(hint) else {hint}


def options(kind):
    """What a part is built with, and which of its arguments are numbers, with their types."""
    constructor = kind.__init__
    hints, signature = typing.get_type_hints(constructor), inspect.signature(kind)
    needed = {name: each for name, each in signature.parameters.items() if each.default is each.empty}
    types = {name: flattened(hints[name]) for name in signature.parameters if name in hints}
    given = GIVEN | {"shape": (1, 1024)} if kind.__name__ in OF_SOUNDS else GIVEN
    return {name: given[name] for name in needed}, types


def refused(kind):
    """The names and values that a part must refuse, of every argument that is a number."""
    _, types = options(kind)
    for name, hints in types.items():
        numbers = [math.nan, math.inf, -math.inf, -3] if float in hints else [math.nan, 0.5, -3] if int in hints else []
        yield from ((name, value) for value in numbers if (kind.__name__, name, value) not in ALLOWED)
        inside = [math.nan, math.inf, -3] if (float,) in hints else [-3, 0] if (int,) in hints else []
        yield from ((name, [value]) for value in inside if name != "shape")


@pytest.mark.parametrize("kind", [kind for kind in parts() if any(refused(kind))])
def test_a_number_that_means_nothing_is_refused(kind):
    given, _ = options(kind)
    kind(**given)  # what is refused below is the number
    taken = []
    for name, value in refused(kind):
        with contextlib.suppress(InputError):
            kind(**{**given, name: value})
            taken.append(f"{name}={value}")
    assert not taken


def test_nothing_is_forgotten():
    tried = {(kind.__name__, name) for kind in parts() for name, _ in refused(kind)}
    assert {
        ("R1", "weight"),
        ("R1", "every"),
        ("KLDivergence", "weight"),
        ("Classification", "weight"),
        ("EMA", "ramp_up"),
        ("DenseDiscriminator", "slope"),
        ("DCGANGenerator", "width"),
        ("VectorQuantizer", "codes"),
        ("FlowSampler", "learning_rate"),
        ("ADA", "target"),
        ("Linear", "warmup_images"),
        ("GaussianKernel", "scales"),
        ("NonFiniteGuard", "every_batches"),
    } <= tried
    assert len(tried) > 100


@pytest.mark.parametrize("make", [lambda: R1(Linear(9, last=-1.0)), lambda: R1(Constant(-1.0))])
def test_a_schedule_must_lie_in_the_range_from_end_to_end(make):
    with pytest.raises(InputError, match=r"R1 cannot have weight -1\.0: give a number of at least 0"):
        make()


def test_schedules_within_the_range_are_taken():
    for schedule in (Linear(9), Constant(0.0), Exponential(9)):
        assert R1(schedule).weight is schedule
    assert EMA(Linear(100, first=0.0, last=10.0)).decay(1, 100) < 1


def test_numbers_of_numpy_are_numbers():
    assert R1(np.float32(0.5), every=np.int64(2)).every == 2


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (ranges.FINITE, [-1e300, 0, 5], [math.nan, math.inf, -math.inf]),
        (ranges.ABOVE_0, [1e-30, 7], [0, -1, math.nan, math.inf]),
        (ranges.FROM_0, [0, 7], [-1e-30, math.nan, math.inf]),
        (ranges.SHARE, [0, 0.5, 1], [-0.1, 1.1, math.nan]),
        (ranges.BELOW_1, [0, 0.99], [1, -0.1, math.nan]),
        (ranges.COUNT, [1, 10**400], [0, -1, 1.0, 2.5, math.nan]),
    ],
    ids=lambda value: value.words if isinstance(value, ranges.Range) else "",
)
def test_what_lies_in_a_range(allowed, inside, outside):
    assert all(value in allowed for value in inside)
    assert not any(value in allowed for value in outside)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_clip_that_would_turn_or_stop_a_gradient_is_refused(gan, network):
    for clip in (0.0, -0.01, math.nan, math.inf):
        with pytest.raises(InputError, match=rf"GANModule cannot have {network}_clip {clip}: give the largest norm"):
            gan(objective=Hinge(), **{f"{network}_clip": clip})


@pytest.mark.parametrize("name", ["discriminator_updates", "accumulate"])
def test_a_count_that_is_none_is_refused(gan, name):
    for value in (0, -3, 1.5, math.nan):
        with pytest.raises(InputError, match=f"{name} must be at least 1"):
            gan(**{name: value})


def test_so_many_codes_are_refused(autoencoder):
    for value in (0, -3, math.nan):
        with pytest.raises(InputError, match="codes_per_sample must be at least 1"):
            autoencoder(codes_per_sample=value)
