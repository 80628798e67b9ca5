"""The likelihood of letters whose places are not told."""

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from lightning_gen.alphabet import END, counted_places, one_hot, within_line
from lightning_gen.objectives.reconstruction import Likelihood, uniform_like
from lightning_gen.ranges import Range, require
from lightning_gen.schedules import Schedule
from lightning_gen.terms import at_least_float32

SLOTS = Range("of at least 2", low=2, whole=True)
"""Slots of each place: with one alone equal letters beside each other would leave no place between."""


class CTCLikelihood(Likelihood):
    """Lines of letters, whatever the places at which the decoder says them: the output holds logits for slots.

    Each place of the decoder's output has so many slots, each with a letter or with none, which is channel 0, END.
    A line is what the slots say after equal letters beside each other became one and the empty slots were left out, and
    log p(x|z) = log Σ Π softmax(slot)[letter or none] over all fillings of the slots that give the line. So a letter
    too many or too few moves no other one, as it does for `CategoricalLikelihood`: for lines that are to be mended.

    Paper: Connectionist temporal classification, Graves et al. 2006, https://doi.org/10.1145/1143844.1143891. On a GPU
    torch has no deterministic gradient of it.

    Args:
        slots: Slots of each place, at least 2, so that any line has a filling.
        weight: Factor of the term in the objective.

    Raises:
        InputError: There are fewer than 2 slots, or the weight is out of range.
    """

    counted = "letter, the END of a line counted as one"
    discrete = True

    def __init__(self, slots: int = 2, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        require(self, "slots", slots, SLOTS)
        self.slots = slots

    def outputs(self, channels: int) -> int:
        """Channels of the decoder's output: one of each letter for each slot."""
        return self.slots * channels

    def logits(self, output: Tensor) -> Tensor:
        """The logits of all slots in their order, ``(n, letters, slots · length)``, at least float32."""
        n, _, length = output.shape
        return at_least_float32(output).view(n, self.slots, -1, length).permute(0, 2, 3, 1).flatten(2)

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p of each line in nats, ``(n, 1, 1)``."""
        letters, logits = x.argmax(1), self.logits(output)
        slots = torch.full((len(x),), logits.shape[2], device=x.device)
        probabilities = logits.log_softmax(1).permute(2, 0, 1)
        lengths = within_line(letters).sum(1)
        return -ctc_loss(probabilities, letters, slots, lengths, blank=END, reduction="none")[:, None, None]

    def mean(self, output: Tensor) -> Tensor:
        """Return the probabilities of the letters of the likeliest filling, ``(n, letters, length)``, then END."""
        probabilities = self.logits(output).softmax(1)
        return self._line(probabilities.argmax(1), probabilities)

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one-hot letters ``(n, letters, length)``; of more letters than places the last ones are left out."""
        logits = self.logits(output)
        gumbel = -(-uniform_like(logits, generator).clamp_min(1e-20).log()).log()
        said = (logits + gumbel).argmax(1)
        return self._line(said, one_hot(said, logits.shape[1]).to(logits))

    def dimensions(self, x: Tensor) -> Tensor:
        """The number of letters of each line, its END included, ``(n,)``."""
        return counted_places(x.argmax(1)).sum(1)

    def _line(self, said: Tensor, values: Tensor) -> Tensor:
        """The values of the slots that count, ``(n, letters, length)``, without gaps, and END after them.

        Args:
            said: What each slot says, ``(n, slots · length)``.
            values: A value of each letter in each slot, ``(n, letters, slots · length)``.
        """
        counts = said != END
        counts[:, 1:] &= said[:, 1:] != said[:, :-1]
        length = said.shape[1] // self.slots
        places = torch.where(counts, (counts.cumsum(1) - 1).clamp(max=length), length)  # the last one is left out
        line = values.new_zeros(*values.shape[:2], length + 1)
        line.scatter_(2, places[:, None].expand_as(values), values)
        ended = torch.arange(length, device=said.device) >= counts.sum(1, keepdim=True)
        end = one_hot(torch.full_like(places[:, :length], END), values.shape[1])
        return torch.where(ended[:, None], end, line[..., :length])
