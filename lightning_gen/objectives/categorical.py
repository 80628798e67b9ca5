"""The likelihood of letters."""

import torch
from torch import Tensor

from lightning_gen.alphabet import counted_places, one_hot
from lightning_gen.objectives.reconstruction import Likelihood, uniform_like
from lightning_gen.terms import at_least_float32


class CategoricalLikelihood(Likelihood):
    """One letter at each place: the output holds the logits of the letters, and samples are one-hot.

    log p(x|z) = Σ log softmax(output)[letter] over the places up to and including the first END, channel 0; what stands
    after it is no text and weighs nothing, so that the loss is that of the letters alone. Places are independent given
    z, as in Deconvolutional Paragraph Representation Learning, https://arxiv.org/abs/1708.04729, section 2.2, which
    counts the places after END too.

    Args:
        weight: Factor of the term in the objective.
    """

    counted = "letter, the END of a line counted as one"
    discrete = True

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p of each place in nats, ``(n, 1, length)``; output and x are ``(n, letters, length)``."""
        chosen = (at_least_float32(output).log_softmax(1) * x).sum(1, keepdim=True)
        return chosen * counted_places(x.argmax(1))[:, None]

    def mean(self, output: Tensor) -> Tensor:
        """Return the probabilities of the letters ``(n, letters, length)``, the expected one-hot letters."""
        return output.softmax(1)

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one-hot letters ``(n, letters, length)``."""
        gumbel = -(-uniform_like(at_least_float32(output), generator).clamp_min(1e-20).log()).log()
        letters = (at_least_float32(output) + gumbel).argmax(1)
        return one_hot(letters, output.shape[1]).to(gumbel)

    def dimensions(self, x: Tensor) -> Tensor:
        """The number of letters of each line, its END included, ``(n,)``."""
        return counted_places(x.argmax(1)).sum(1)
