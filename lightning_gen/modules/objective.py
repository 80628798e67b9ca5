"""What an autoencoder is trained for, said in two lines: which terms, with what weights, in what units."""

from collections.abc import Mapping

from lightning_gen.objectives import Likelihood
from lightning_gen.regularizers import KLDivergence
from lightning_gen.schedules import Schedule, at
from lightning_gen.terms import Term
from lightning_gen.training.module import END_OF_SCHEDULES

LOOKS = 1000
"""Places on the way through a run at which a schedule is looked at."""


def objective_lines(terms: Mapping[str, Term], likelihood: Likelihood, images: int | None) -> list[str]:
    """The sum that is minimised, and the effective beta: the weight of the KL over that of the likelihood.

    Args:
        terms: The terms of the objective by name.
        likelihood: The one among them that turns outputs into samples.
        images: Length of the run in images; None where it is not known, and schedules are said to their ends.
    """
    sums = " + ".join(summand(name, term.weight, images) for name, term in terms.items())
    units = "  log-probabilities are nats per sample: summed over its dimensions, averaged over the batch"
    return [f"objective: {sums}{beta(terms, likelihood, images)}", units]


def summand(name: str, weight: float | Schedule, images: int | None) -> str:
    """A term with its weight, if that is not 1."""
    if isinstance(weight, Schedule):
        return f"({course(weight, 1.0, images)}) {name}"
    return name if weight == 1 else f"{weight:g} {name}"


def beta(terms: Mapping[str, Term], likelihood: Likelihood, images: int | None) -> str:
    """What is said of the effective beta; nothing where no term is a divergence with a weight of its own."""
    divergences = [term for term in terms.values() if isinstance(term, KLDivergence) and term.weight != 0]
    if len(divergences) != 1 or likelihood.weight == 0:
        return ""
    said = f"; effective beta {course(divergences[0].weight, likelihood.weight, images)}"
    return f"{said} with {likelihood.scale_note}" if likelihood.scale_note else said


def course(weight: float | Schedule, other: float | Schedule, images: int | None) -> str:
    """How the ratio of two weights goes through a run: ``4``, or ``0 to 4``, or ``0 to 0, at most 1``."""
    schedules = [each for each in (weight, other) if isinstance(each, Schedule)]
    ratios = [at(weight, place) / at(other, place) for place in places(schedules, images) if at(other, place)]
    first, last, most = ratios[0], ratios[-1], max(ratios)
    if not schedules:
        return f"{first:g}"
    return f"{first:.3g} to {last:.3g}" + (f", at most {most:.3g}" if most > max(first, last) else "")


def places(schedules: list[Schedule], images: int | None) -> list[int]:
    """Where schedules are looked at: evenly through the run, and where their warm-ups are over."""
    end = END_OF_SCHEDULES if images is None else images
    tops = {schedule.warmup_images for schedule in schedules if schedule.warmup_images <= end}
    return sorted(tops.union(end * look // LOOKS for look in range(LOOKS + 1)))
