"""What the content of a folder means for training, in sentences that each name a remedy."""

import statistics
from collections.abc import Callable, Iterator

from lightning_gen.data.headers import DEEP
from lightning_gen.inspection.survey import FEW, LEAST_SIDE, LONG, SMALL_SHARE, STEP, Survey

NAMED = 5
"""The number of names in a sentence."""
LARGER = 2
"""Images at least this many times the size of those of the run lose what could be learned."""
MOSTLY_GREY = 0.5
"""Share of grey images from which colours may not matter."""
SOME_GREY = 0.05
"""Share of grey images that a model of coloured ones draws too."""
IMBALANCE = 3
"""The largest class / the smallest from which the smallest is drawn visibly worse."""
LITTLE = 1000
"""Training images below which a GAN is likely to repeat them."""
NOISY = 30
"""Validation images below which their metrics are noisy."""


def findings(survey: Survey) -> list[str]:
    """The sentences that apply to a folder."""
    return [sentence for find in FINDINGS for sentence in find(survey)]


def several(count: int, noun: str = "image") -> str:
    """A number and its noun, as the start of a sentence.

    >>> several(1), several(1200)
    ('1 image', '1,200 images')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def named(names: list[str]) -> str:
    """Names, at most `NAMED`: ``"a.png, b.png and 3 more"``."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def broken(survey: Survey) -> Iterator[str]:
    """Images that cannot be decoded."""
    reasons = [f"{name} ({why})" for name, why in survey.data.reasons.items()]
    if reasons:
        yield (
            f"{several(len(reasons))} cannot be decoded, {named(reasons)}: repair or remove them; the command leaves "
            "them out with --data.on_error skip."
        )


def small(survey: Survey) -> Iterator[str]:
    """Images that would be enlarged."""
    count, side = survey.smaller, survey.side
    if not count:
        return
    least = sorted(header.short_side for header in survey.known)[int(SMALL_SHARE * len(survey.known))]
    fitting = max(LEAST_SIDE, least // STEP * STEP)
    remedy = "remove them if they look blurred" if fitting >= side else f"doctor --size {fitting} suits them"
    yield f"{several(count)} of less than {side} pixels would be enlarged, which blurs: {remedy}."


def large(survey: Survey) -> Iterator[str]:
    """Images that lose most of their pixels."""
    median = statistics.median(header.short_side for header in survey.known)
    if median >= LARGER * survey.side:
        yield (
            f"The median short side of {median:,.0f} pixels is reduced to {survey.side}: doctor --size "
            f"{LARGER * survey.side} shows more, at about four times the time for as many images."
        )


def long(survey: Survey) -> Iterator[str]:
    """Images that are not nearly square."""
    count = survey.long
    if count and survey.data.pad:
        yield (
            f"{several(count)} of {len(survey.known):,} would lose a third by cropping to a square: the command pads "
            "with black instead, --data.pad true."
        )
    elif count:
        yield (
            f"{several(count)} with a long side of at least {LONG} times the short one would lose their ends by "
            "cropping to a square: --data.pad true pads with black instead."
        )


def grey(survey: Survey) -> Iterator[str]:
    """Images without colours."""
    share = survey.grey_share
    if survey.data.shape[0] == 1:
        yield "All images are grey: the command reads one channel, --data.channels 1, which is faster and easier."
    elif share >= MOSTLY_GREY:
        yield f"{share:.0%} of the images are grey: --data.channels 1 if the colours of the others do not matter."
    elif share >= SOME_GREY:
        yield f"{share:.0%} of the images are grey and would be drawn too: move them out if you want colours alone."


def alpha(survey: Survey) -> Iterator[str]:
    """Images with transparency."""
    if survey.alpha:
        yield (
            f"{several(survey.alpha)} with an alpha channel or a transparent colour: what is transparent is composited "
            "over white; --data.channels 4 keeps transparency."
        )


def deep(survey: Survey) -> Iterator[str]:
    """Images of 16 bits."""
    if count := survey.kind(DEEP):
        yield (
            f"{several(count)} of 16 bits a value would be reduced to 8, where 65535 becomes 255: if the values use a "
            "small part of that range, stretch them first."
        )


def animated(survey: Survey) -> Iterator[str]:
    """Animations."""
    if survey.animated:
        yield f"Of {several(survey.animated, 'animation')} only the first frame is read: save the frames as images."


def duplicates(survey: Survey) -> Iterator[str]:
    """Copies in the folder."""
    copies = survey.pixels.copies
    exact, near = copies.exact_pairs, copies.near_pairs
    if exact or near:
        first, second = (exact or near)[0]
        yield (
            f"Exact copies ({len(exact):,}) and near ones ({len(near):,}), such as "
            f"{survey.names[second]} of {survey.names[first]}, teach nothing new and are drawn more often: remove them."
        )


def leaks(survey: Survey) -> Iterator[str]:
    """Copies in other splits."""
    if pairs := survey.leaks:
        first, second = pairs[0]
        yield (
            f"Of the images for validation and test {len(pairs):,} have a copy in another split, such as "
            f"{survey.names[second]} of {survey.names[first]}, so metrics flatter the model: remove copies, or put all "
            "copies of an image into one of the folders train, val and test."
        )


def unlabelled(survey: Survey) -> Iterator[str]:
    """Classes that are not classes, because some training images have none."""
    labels = {place.label for place in survey.data.layout.places if place.split == "train"}
    if None in labels and len(labels) > 1:
        yield (
            "Some training images are in sub-folders and others are not, so there are no classes: move each image into "
            "the folder of its class if you want classes."
        )


def imbalanced(survey: Survey) -> Iterator[str]:
    """Classes of unlike sizes."""
    counts = survey.classes
    if len(counts) > 1 and max(counts.values()) >= IMBALANCE * max(1, min(counts.values())):
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        yield (
            f"The class {most} has {counts[most]:,} training images and {least} has {counts[least]:,}, so that rare "
            f"classes are drawn worse: add images to {least}, or remove some of {most}."
        )


def small_classes(survey: Survey) -> Iterator[str]:
    """Classes of few images."""
    if small := survey.small_classes:
        listed = named([f"{name} {count:,}" for name, count in sorted(small.items(), key=lambda item: item[1])])
        yield (
            f"Classes of fewer than {FEW} training images ({listed}) cannot be drawn well: add images, or merge "
            "classes that are alike."
        )


def few(survey: Survey) -> Iterator[str]:
    """A small folder."""
    count = survey.training
    if count < LITTLE:
        yield (
            f"The training images are few, {count:,}, and a model may repeat them: compare its samples with them, and "
            "add images if you can."
        )


def noisy(survey: Survey) -> Iterator[str]:
    """A small validation split."""
    count = survey.counts["val"].total()
    if count < NOISY:
        yield (
            f"A validation split of {several(count)} gives noisy metrics: trust the samples more, or raise "
            "--data.val_fraction."
        )


FINDINGS: tuple[Callable[[Survey], Iterator[str]], ...] = (
    *(broken, few, noisy, small, large, long, grey, alpha, deep, animated),
    *(duplicates, leaks, unlabelled, imbalanced, small_classes),
)
"""What is looked for, in the order of the report."""
