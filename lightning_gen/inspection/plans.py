"""The command that trains a recipe on a folder of images within a given time."""

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from math import ceil
from pathlib import Path

from lightning_gen.bench.run import Fit
from lightning_gen.callbacks.command_lines import python
from lightning_gen.errors import InputError
from lightning_gen.inspection.offers import EMBED, OFFERS, Offer
from lightning_gen.inspection.survey import Survey
from lightning_gen.inspection.timing import Cost, round_down, timed
from lightning_gen.terminal import say

TIMED_SECONDS = 12.0
"""Duration of the timed steps of the first recipe."""
OTHERS_SECONDS = 4.0
"""The same of the others."""
MARGIN = 0.9
"""Share of the given time that a run is planned for: other programs may slow it down."""
FIRST_STAGE = 0.25
"""Share of the time in which the autoencoder is trained where a sampler is fitted to its codes in the rest."""
LEAST_UPDATES, MOST_UPDATES = 0.5, 2
"""The least and the largest number of updates of a sampler that is planned, as multiples of its own for the folder."""
RUNS = Path("runs")
"""The default folder of all runs."""
PROGRAM = (sys.executable, "-m", "lightning_gen")
"""The words with which each command begins."""


@dataclass(frozen=True)
class Plan:
    """A run.

    Attributes:
        offer: Its recipe and purpose.
        name: The name of the run.
        argv: The command line after ``fit``, but for its length.
        images: Its length in training images.
        cost: What it costs on this machine.
        updates: Updates of the sampler that is fitted when training has ended; 0 without one.
    """

    offer: Offer
    name: str
    argv: Sequence[str]
    images: int
    cost: Cost
    updates: int = 0

    @property
    def seconds(self) -> float:
        """Its duration, from the command to its end."""
        return self.cost.seconds(self.images, self.updates)

    @property
    def words(self) -> list[str]:
        """The command, which runs as it is."""
        fitted = ["--sampler.updates", str(self.updates)] if self.updates else []
        return [*PROGRAM, "fit", *self.argv, *fitted, "--max_images", str(self.images)]


def typed(words: Sequence[str]) -> str:
    """A command as a user types it."""
    return f"{python()} {shlex.join(words[1:])}"


def plans(fit: Fit, survey: Survey, minutes: float) -> tuple[list[Plan], dict[str, str]]:
    """Plan a run of each recipe that a folder and the environment allow; each is tried for some seconds.

    Args:
        fit: Runs ``fit`` with a command line.
        survey: The content of the folder.
        minutes: The time of a run.

    Returns:
        The runs in the order in which the recipes are offered, and what is missing for the other recipes.

    Raises:
        InputError: No recipe can be trained on the folder.
    """
    check_training(survey)
    found: list[Plan] = []
    missing: dict[str, str] = {}
    for offer in OFFERS:
        reason = offer.needs.missing(survey)
        if reason is None:
            seconds = OTHERS_SECONDS if found else TIMED_SECONDS
            say(f"timing {offer.recipe} for about {seconds:.0f} s", sys.stderr)
            try:
                found.append(planned(fit, survey, offer, minutes, seconds))
            except Exception as error:  # such as no memory: the other recipes are still offered
                reason = str(error).strip().partition("\n")[0] or type(error).__name__
        if reason is not None:
            missing[offer.recipe] = reason
    if not found:
        raise InputError(f"no recipe can be trained on {survey.folder}: {next(iter(missing.values()))}")
    return found, missing


def check_training(survey: Survey) -> None:
    """Check that there are enough training images for any recipe.

    Raises:
        InputError: There are not; the message says how many make what possible.
    """
    embedding = min(offer.needs.images for offer in OFFERS if offer.purpose == EMBED)
    drawing = min(offer.needs.images for offer in OFFERS if offer.purpose != EMBED)
    if survey.training < min(embedding, drawing):
        total = len(survey.names)
        raise InputError(
            f"{survey.folder} holds {total} readable image{'' if total == 1 else 's'}, {survey.training} of them for "
            f"training, which a model could only learn by heart: add images, or cut large ones into parts; from "
            f"{embedding} for training an autoencoder can reconstruct them, from {drawing} a GAN can draw others"
        )


def planned(fit: Fit, survey: Survey, offer: Offer, minutes: float, seconds: float) -> Plan:
    """Plan a run of a recipe.

    Args:
        fit: Runs ``fit`` with a command line.
        survey: The content of the folder.
        offer: The recipe.
        minutes: The time of the run.
        seconds: Duration of the timed steps.

    Raises:
        InputError: The recipe cannot be trained on the folder.
    """
    name = run_name(survey, offer)
    argv = [*options(survey, offer), "--name", name]
    cost, planned_for = timed(fit, argv, seconds, offer.sampler), MARGIN * 60 * minutes
    if offer.sampler is None:
        return Plan(offer, name, argv, min(offer.most_images, cost.images_in(planned_for)), cost)
    images = min(offer.most_images, cost.images_in(FIRST_STAGE * planned_for))
    updates = round_down(int((planned_for - cost.seconds(images)) / cost.update))
    own = offer.sampler().updates_of(survey.training)
    if updates < LEAST_UPDATES * own:
        needed = (LEAST_UPDATES * own * cost.update / (1 - FIRST_STAGE) + cost.fixed) / MARGIN / 60
        raise InputError(f"it takes longer on this machine: doctor --minutes {ceil(needed)} or more")
    return Plan(offer, name, argv, images, cost, min(updates, MOST_UPDATES * own))


def options(survey: Survey, offer: Offer) -> list[str]:
    """The options of ``fit`` for a recipe on a folder, but for the run's name and length."""
    data = survey.data
    batch = min(offer.largest_batch, 2 ** (survey.training.bit_length() - 1))
    words = ["--config", offer.recipe, "--data", "ImageFolder", "--data.folder", str(survey.folder)]
    words += ["--data.size", str(survey.side), "--data.channels", str(data.shape[0])]
    words += ["--data.batch_size", str(batch)]
    words += ["--data.pad", "true"] if data.pad else []
    words += ["--data.on_error", "skip"] if data.skipped else []
    for name, value in offer.options.items():
        words += [f"--{name}", str(value(survey))]
    return words


def run_name(survey: Survey, offer: Offer) -> str:
    """A name for a run that no run has, such as ``emoji-diffaugment``."""
    folder = re.sub(r"[^\w.-]+", "_", survey.folder.name, flags=re.ASCII).strip("._-") or "images"
    name = f"{folder[:80]}-{offer.recipe.rpartition('/')[2]}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(each for each in names if not (RUNS / each).exists())
