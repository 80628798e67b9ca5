"""The objective of an autoencoder in two lines of text: its terms, their weights and their units."""

from collections.abc import Mapping

from lightning_gen.objectives import Likelihood
from lightning_gen.regularizers import KLDivergence
from lightning_gen.schedules import Schedule, at
from lightning_gen.terms import Term
from lightning_gen.training.module import END_OF_SCHEDULES

LOOKS = 1000
"""Number of positions in a run at which a schedule is evaluated."""


def objective_lines(terms: Mapping[str, Term], likelihood: Likelihood, images: int | None) -> list[str]:
    """The sum that is minimised, and the effective beta: the weight of the KL over that of the likelihood.

    Args:
        terms: The terms of the objective by name.
        likelihood: The term that turns outputs into samples.
        images: Length of the run in images; None if it is not known: schedules are then described to their ends.
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
    """The effective beta as text; empty unless exactly one divergence has a weight."""
    divergences = [term for term in terms.values() if isinstance(term, KLDivergence) and term.weight != 0]
    if len(divergences) != 1 or likelihood.weight == 0:
        return ""
    said = f"; effective beta {course(divergences[0].weight, likelihood.weight, images)}"
    return f"{said} with {likelihood.scale_note}" if likelihood.scale_note else said


def course(weight: float | Schedule, other: float | Schedule, images: int | None) -> str:
    """The ratio of two weights over a run, as text: ``4``, or ``0 to 4``, or ``0 to 0, at most 1``."""
    schedules = [each for each in (weight, other) if isinstance(each, Schedule)]
    ratios = [at(weight, place) / at(other, place) for place in positions(schedules, images) if at(other, place)]
    first, last, most = ratios[0], ratios[-1], max(ratios)
    if not schedules:
        return f"{first:g}"
    return f"{first:.3g} to {last:.3g}" + (f", at most {most:.3g}" if most > max(first, last) else "")


def positions(schedules: list[Schedule], images: int | None) -> list[int]:
    """The numbers of images at which schedules are evaluated: evenly spaced, and at the ends of their warm-ups."""
    end = END_OF_SCHEDULES if images is None else images
    tops = {schedule.warmup_images for schedule in schedules if schedule.warmup_images <= end}
    return sorted(tops.union(end * look // LOOKS for look in range(LOOKS + 1)))
