"""The report of the command ``doctor``: what is in a folder, what that means, and the command to type."""

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lightning_gen.data.headers import COLOUR, DEEP, GREY, OTHER, PALETTE
from lightning_gen.data.layout import listed
from lightning_gen.inspection.findings import findings, named
from lightning_gen.inspection.plans import Plan, typed
from lightning_gen.inspection.survey import FEW, LONG, Survey
from lightning_gen.metrics import Measurement
from lightning_gen.metrics.report import WIDTH, defined, wrapped

TITLES = {"train": "training", "val": "validation", "test": "test"}
"""The names of the splits in sentences."""
KINDS = {
    COLOUR: ("rgb_images", "RGB"),
    GREY: ("grey_images", "grey"),
    PALETTE: ("palette_images", "with a palette"),
    DEEP: ("images_of_16_bits", "of 16 bits"),
    OTHER: ("other_images", "of other kinds"),
}
"""Kinds of pixels, each with the name of its number and its name in sentences."""
BUSY = 0.25
"""The share of the cores that other programs use from which the times of runs are much longer than without them."""
KEPT = 1000
"""The number of names of files of one kind in the JSON file."""


@dataclass(frozen=True)
class Diagnosis:
    """What is in a folder of images, what that means, and the command to type.

    Attributes:
        survey: The content of the folder.
        plans: The runs that it allows, the main one first.
        missing: What is missing for other recipes, by their names.
        minutes: The time that a run was planned for.
        busy: Processes of other programs that waited for or had a core before, for each core.
    """

    survey: Survey
    plans: Sequence[Plan]
    missing: dict[str, str]
    minutes: float
    busy: float = 0.0

    @property
    def main(self) -> Plan:
        """The main run."""
        return self.plans[0]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data: ``figures``, ``recipe``, ``command``, ``seconds`` and more."""
        survey, copies = self.survey, self.survey.pixels.copies
        names = survey.names
        pairs = {
            "exact_duplicates": copies.exact_pairs,
            "near_duplicates": copies.near_pairs,
            "duplicates_between_splits": survey.leaks,
        }
        numbers = list(figures(survey))
        return {
            "figures": {each.name: each.value for each in numbers},
            "recipe": self.main.offer.recipe,
            "command": self.main.words,
            "seconds": self.main.seconds,
            "max_images": self.main.images,
            "sampler_updates": self.main.updates,
            "findings": findings(survey),
            "alternatives": [
                {"purpose": each.offer.purpose, "recipe": each.offer.recipe, "command": each.words}
                | {"seconds": each.seconds, "max_images": each.images, "sampler_updates": each.updates}
                for each in self.plans[1:]
            ],
            "not_offered": self.missing,
            "card": {
                "folder": str(survey.folder),
                "shape": list(survey.data.shape),
                "minutes": self.minutes,
                "busy": self.busy,
                "meanings": {each.name: each.meaning for each in numbers},
                "broken": survey.data.reasons,
                "classes": {split: dict(sorted(counts.items())) for split, counts in survey.counts.items()},
                "compared_for_near_duplicates": copies.compared,
                **{
                    name: [[names[second], names[first]] for first, second in found[:KEPT]]
                    for name, found in pairs.items()
                },
            },
        }

    def to_json(self) -> str:
        """The report as standard JSON."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"

    def to_text(self, width: int = WIDTH) -> str:
        """The report as text.

        Args:
            width: Width in columns; commands are not broken.
        """
        main = self.main
        lines = [str(self.survey.folder), "", *defined(dict(contents(self.survey)), width)]
        if found := findings(self.survey):
            lines += ["", "What that means"]
            for sentence in found:
                first, *rest = wrapped(sentence, width - 2)
                lines += [f"- {first}", *(f"  {line}" for line in rest)]
        passes = main.images / self.survey.training
        lines += ["", f"To {main.offer.purpose}, {main.offer.recipe}, {length(main)}, {passes:,.0f} passes:"]
        lines += [f"  {typed(main.words)}"]
        if main.seconds > 60 * self.minutes:
            lines += wrapped(f"It takes longer than {self.minutes:g} minutes, and is a single step at least.", width)
        if self.busy > BUSY:
            lines += wrapped(
                f"In the minute before, other programs used {min(self.busy, 1):.0%} of this machine's cores: without "
                "them a run takes less time, or sees more images in the same.",
                width,
            )
        if len(self.plans) > 1:
            lines += ["", "Or"]
            for each in self.plans[1:]:
                lines += [f"  to {each.offer.purpose}, {length(each)}: {typed(each.words)}"]
        for recipe, reason in self.missing.items():
            lines += wrapped(f"Not {recipe}: {reason}.", width)
        return "\n".join(lines)


def length(plan: Plan) -> str:
    """The length of a run: ``"about 52 min for 410,000 images"``."""
    then = f" and {plan.updates:,} updates of its sampler" if plan.updates else ""
    return f"about {duration(plan.seconds)} for {plan.images:,} images{then}"


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(48), duration(250), duration(3130), duration(9000)
    ('48 s', '4.2 min', '52 min', '2 h 30 min')
    """
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def figures(survey: Survey) -> Iterator[Measurement]:
    """The numbers of a folder."""
    copies, headers, classes = survey.pixels.copies, survey.known, survey.classes
    yield Measurement("images", len(survey.names), "images that can be decoded")
    yield Measurement("broken_images", len(survey.data.skipped), "files of images that cannot be decoded")
    yield Measurement("other_files", len(survey.data.listing.others), "files with other extensions")
    for split, counts in survey.counts.items():
        yield Measurement(f"{TITLES[split]}_images", counts.total(), f"images of the {TITLES[split]} split")
    yield Measurement("classes", len(classes), "classes, by sub-folders; 0 without labels")
    if classes:
        least, most = min(classes.values()), max(classes.values())
        yield Measurement("least_class_images", least, "training images of the smallest class")
        yield Measurement("largest_class_images", most, "training images of the largest class")
        yield Measurement("small_classes", len(survey.small_classes), f"classes of fewer than {FEW} training images")
    for name, sides in (
        ("short_side", [header.short_side for header in headers]),
        ("long_side", [max(header.width, header.height) for header in headers]),
    ):
        yield Measurement(f"least_{name}", min(sides), "pixels")
        yield Measurement(f"median_{name}", statistics.median(sides), "pixels")
        yield Measurement(f"largest_{name}", max(sides), "pixels")
    aspects = [header.aspect for header in headers]
    yield Measurement("median_aspect", statistics.median(aspects), "long side / short side, at least 1")
    yield Measurement("largest_aspect", max(aspects), "long side / short side, at least 1")
    yield Measurement("long_images", survey.long, f"images of an aspect of at least {LONG}")
    yield Measurement("smaller_images", survey.smaller, f"images with a side of less than {survey.side} pixels")
    for kind, (name, title) in KINDS.items():
        yield Measurement(name, survey.kind(kind), f"images {title}")
    yield Measurement("alpha_images", survey.alpha, "images with an alpha channel or a transparent colour")
    yield Measurement("animated_images", survey.animated, "animations, of which the first frame is read")
    yield Measurement("near_grey_share", survey.grey_share, "share of images without a colour that one sees, 0 to 1")
    yield Measurement("exact_duplicates", len(copies.exact_pairs), "images with the pixels of an earlier one")
    yield Measurement("near_duplicates", len(copies.near_pairs), "other images that look like an earlier one")
    leaks = len(survey.leaks)
    meaning = "images for validation or test with an exact or near copy in another split"
    yield Measurement("duplicates_between_splits", leaks, meaning)


def contents(survey: Survey) -> Iterator[tuple[str, str]]:
    """The content of a folder, by topic."""
    found = {each.name: each.value for each in figures(survey)}
    data, reasons = survey.data, survey.data.reasons
    broken = [f"{name} ({why})" for name, why in reasons.items()]
    yield "images", f"{len(survey.names):,}" + (f", and {len(broken):,} broken: {named(broken)}" if broken else "")
    if data.listing.others:
        yield "other files", data.listing.counts
    sizes = ", ".join(
        f"{counts.total():,} for {TITLES[split]}{'' if split in data.layout.folders else ' (split off)'}"
        for split, counts in survey.counts.items()
    )
    yield "splits", sizes
    if survey.classes:
        yield "classes", listed(survey.counts["train"])
    yield (
        "sizes",
        f"short side {found['least_short_side']:,} to {found['largest_short_side']:,} pixels, median "
        f"{found['median_short_side']:,.0f}; long side up to {found['largest_long_side']:,}; long / short: median "
        f"{found['median_aspect']:.2f}, at most {found['largest_aspect']:.2f}",
    )
    kinds = [f"{found[name]:,} {title}" for name, title in KINDS.values() if found[name]]
    yield (
        "pixels",
        f"{', '.join(kinds)}; {found['alpha_images']:,} with alpha; {found['near_grey_share']:.1%} without a colour "
        "that one sees",
    )
    yield (
        "copies",
        f"{found['exact_duplicates']:,} exact, {found['near_duplicates']:,} near; of the images for validation and "
        f"test {found['duplicates_between_splits']:,} have one in another split",
    )
