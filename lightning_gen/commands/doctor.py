"""The command ``doctor``: what is in a folder of images, what that means, and the command that trains on it."""

import math
import os

from lightning_gen.bench.run import Fit
from lightning_gen.commands.output import output_file, show
from lightning_gen.errors import InputError
from lightning_gen.inspection.diagnosis import Diagnosis
from lightning_gen.inspection.plans import plans
from lightning_gen.inspection.survey import LEAST_SIDE, Survey


def doctor(folder: str, fit: Fit, output: str | None = None, minutes: float = 60, size: int | None = None) -> None:
    """Say what is in a folder of images, what that means, and which command to type.

    It counts images by split and class, their sizes and kinds, broken images and copies, also those between splits, and
    says what to do about each. Then it trains the recipes that suit the folder for some seconds each, in a temporary
    folder, and prints the command for each with a length that fits into the time. The decoded images stay in the cache,
    so that the run that follows need not decode them.

    Args:
        folder: The folder of images: flat, with a sub-folder for each class, or with train, val and test.
        fit: Runs ``fit``.
        output: A JSON file for the report: figures, recipe, command (a list of words), seconds and more.
        minutes: Time of a run on this machine, above 0.
        size: Side of the images in pixels, at least 8; 64 if left out, or less if the images are smaller.

    Raises:
        InputError: The folder does not exist, cannot be read, or does not hold enough images that can be decoded; or a
            number is out of range.
    """
    target = output_file(output, "doctor.json")
    if not 0 < minutes < math.inf:
        raise InputError(f"--minutes must be a number above 0, not {minutes}")
    if size is not None and size < LEAST_SIDE:
        raise InputError(f"--size must be at least {LEAST_SIDE} pixels, not {size}")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # before this command adds its own
    survey = Survey.of(folder, size)
    found, missing = plans(fit, survey, minutes)
    show(Diagnosis(survey, found, missing, minutes, load / (os.cpu_count() or 1)), target)
