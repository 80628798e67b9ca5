"""Corruptions of letters, which are one-hot ``(n, letters, length)`` with END and UNKNOWN as the first two channels."""

import math

import torch
from torch import Tensor

from lightning_gen.alphabet import END, SIGNS, UNKNOWN, one_hot, within_line
from lightning_gen.augmentations.corruption import Corruption
from lightning_gen.errors import InputError
from lightning_gen.ranges import SHARE, require
from lightning_gen.records import Corrupted


class Typos(Corruption):
    """Mistypes a share of the letters: each is replaced, dropped, preceded by another one, or swapped with the next.

    The four are equally likely, and letters that come in are any other of the alphabet with equal probability. A swap
    is of two letters of which the second is typed well, and it counts as two edits, so the character error is about
    5/4 of the rate. A line that becomes longer than its length loses its last letters.

    Args:
        rate: Probability of a typo at each letter, in [0, 1].

    Raises:
        InputError: The rate is outside [0, 1]; later: the samples are no letters.
    """

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        require(self, "rate", rate, SHARE, "one")
        self.rate = rate

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return one-hot letters with typos; see the class."""
        letters = letters_of(self, x)
        chance, kind, other = (
            torch.rand(letters.shape, generator=generator, device=generator.device).to(x.device) for _ in range(3)
        )
        inside = within_line(letters)
        kinds = torch.where(inside & (chance < self.rate), (4 * kind).long(), -1)
        replaced, dropped, inserted, swapped = (kinds == each for each in range(4))
        follows = torch.zeros_like(inside)
        follows[:, :-1] = inside[:, 1:] & (kinds[:, 1:] < 0)
        swapped &= follows
        known = x.shape[1] - SIGNS
        # another letter than the one there: a step of 1 to known - 1 around the alphabet
        step = 1 + (other * max(known - 1, 1)).long()
        typed = torch.where(letters < SIGNS, SIGNS + step - 1, SIGNS + (letters - SIGNS + step) % known)
        after = letters.roll(-1, 1)
        before = letters.roll(1, 1)
        moved = swapped.roll(1, 1)
        moved[:, 0] = False
        own = torch.where(replaced, typed, torch.where(swapped, after, torch.where(moved, before, letters)))
        width = torch.where(dropped, 0, torch.where(inserted, 2, 1))
        place = width.cumsum(1) - 1  # of the last letter that each place leaves
        length = letters.shape[1]
        room = torch.full((len(letters), 2 * length + 1), END, device=x.device)
        last = 2 * length  # a place for what is left out
        room.scatter_(1, torch.where(inserted, place - 1, last), typed)
        room.scatter_(1, torch.where(dropped, last, place), own)
        room = torch.where(within_line(room), room, END)
        return one_hot(room[:, :length], x.shape[1]).to(x)


class SpanMasking(Corruption):
    """Hides spans of letters, which become UNKNOWN; the mask of what is hidden serves `HiddenPart`.

    The lengths of spans are Poisson, and spans may touch or overlap; they keep their lengths, so that places stay.

    Paper: BART, https://arxiv.org/abs/1910.13461, section 2.1; unlike it, each hidden letter is one sign (a sign for
    each span, also for empty ones)

    Args:
        fraction: Expected share of the letters to hide, in [0, 1).
        mean: Mean length of a span, above 0.

    Raises:
        InputError: The fraction or the mean is out of range; later: the samples are no letters.
    """

    def __init__(self, fraction: float = 0.15, mean: float = 3.0) -> None:
        super().__init__()
        require(self, "fraction", fraction, SHARE, "one")
        if not (fraction < 1 and 0 < mean < math.inf):
            raise InputError(
                f"SpanMasking cannot hide a share of {fraction} in spans of {mean} letters on average: give a fraction "
                "below 1 and a mean above 0"
            )
        self.fraction = fraction
        self.mean = mean

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return x with spans of letters replaced by UNKNOWN."""
        return self.corrupt(x, generator).x

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Return x with spans of letters replaced by UNKNOWN, and the mask of hidden places, ``(n, 1, length)``.

        Spans may start before the line, so that its first letters are hidden as often as the others.
        """
        letters, device = letters_of(self, x), generator.device
        before = math.ceil(self.mean + 6 * math.sqrt(self.mean)) + 1
        shape = (len(letters), letters.shape[1] + before)
        # with a Poisson number of starts at each place, no span covers a place with probability exp(-starts * mean)
        starts = torch.full(shape, -math.log1p(-self.fraction) / self.mean, device=device)
        begun = torch.poisson(starts, generator=generator)
        lengths = torch.poisson(torch.full(shape, float(self.mean), device=device), generator=generator)
        places = torch.arange(shape[1], device=device)
        reach = torch.where(begun > 0, places + lengths, 0).cummax(1).values
        hidden = (reach > places)[:, before:].to(x.device) & within_line(letters)
        return Corrupted(one_hot(torch.where(hidden, UNKNOWN, letters), x.shape[1]).to(x), hidden[:, None])


def letters_of(part: Corruption, x: Tensor) -> Tensor:
    """The indices of one-hot letters, int64 ``(n, length)``.

    Raises:
        InputError: The samples have another shape than letters.
    """
    if x.dim() != 3 or x.shape[1] <= SIGNS + 1:
        raise InputError(
            f"{type(part).__name__} changes letters (n, letters, length) and got {tuple(x.shape)}: use it with "
            "TextLines, and Masking or GaussianNoise for other data"
        )
    return x.argmax(1)
