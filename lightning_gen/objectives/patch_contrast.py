"""The contrastive term of CUT: a patch of a translation is told from other patches of its source.

Paper: Contrastive Learning for Unpaired Image-to-Image Translation, https://arxiv.org/abs/2007.15651
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from lightning_gen.errors import InputError
from lightning_gen.objectives.translation import TranslationTerm
from lightning_gen.ranges import ABOVE_0, COUNT, require
from lightning_gen.records import Translation
from lightning_gen.schedules import Schedule
from lightning_gen.terms import at_least_float32

DEVIATION = 0.02
"""Standard deviation of the initial weights of the projections, as in CUT's code."""


class PatchContrast(TranslationTerm):
    """PatchNCE: each position of a translation is matched with the same position of its source, E[-log p(match)].

    ``q = H(features of G(x))`` and ``k = H(features of x)``, both by the translator's own encoder, of equal random
    positions; ``p = softmax over positions (q · k / temperature)``. H is a network of two layers for each map, whose
    outputs have length 1. Matches are told from other positions of the same image alone. The keys get no gradient. The
    value is the mean over positions, images and maps, in nats; log `positions` where nothing is recognised.

    With `identity` it is the mean of that and of the same for targets, y and G(y), which should not change. So the
    paper's objective of the adversarial term and both with weights 1 has weight 2 here; the code of its authors halves
    both, which is weight 1. A patch is one position of a map: it shows as much of the image as the map's receptive
    field.

    Paper: Contrastive Learning for Unpaired Image-to-Image Translation, https://arxiv.org/abs/2007.15651, equations 3
    to 5. FastCUT has weight 10 and no identity.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        maps: Names of the maps, see `Translator.feature_channels`; None for all of them.
        positions: Positions of each map; all of a map that has fewer.
        width: Width of both layers of H.
        temperature: The temperature, above 0.
        identity: Whether targets and their translations count as well.

    Raises:
        InputError: A number is out of range.
    """

    def __init__(
        self,
        weight: float | Schedule = 1.0,
        maps: Sequence[str] | None = None,
        positions: int = 256,
        width: int = 256,
        temperature: float = 0.07,
        identity: bool = True,
    ) -> None:
        super().__init__(weight)
        require(self, "positions", positions, COUNT)
        require(self, "width", width, COUNT)
        require(self, "temperature", temperature, ABOVE_0)
        self.maps = maps
        self.positions = positions
        self.width = width
        self.temperature = temperature
        self.identity = identity
        self.projections = nn.ModuleDict()

    def build(self, feature_channels: Mapping[str, int]) -> None:
        """Make the network H of each map.

        Raises:
            InputError: The translator has no such map.
        """
        known = feature_channels
        self.feature_names = tuple(known if self.maps is None else self.maps)
        unknown = [name for name in self.feature_names if name not in known]
        if unknown or not self.feature_names:
            missing = f"no map '{unknown[0]}'" if unknown else "no maps of features"
            raise InputError(
                f"the translator has {missing}, which PatchContrast compares: "
                + (f"name some of {', '.join(known)}" if known else "use ResNetTranslator")
            )
        self.projections = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(known[name], self.width), nn.ReLU(), nn.Linear(self.width, self.width))
                for name in self.feature_names
            }
        )
        for part in self.projections.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=DEVIATION)
                nn.init.zeros_(part.bias)

    def forward(self, record: Translation) -> Tensor:
        """Return the mean cross-entropy of the matches, in nats.

        Raises:
            InputError: Targets are of another shape than sources, and `identity` is asked for.
        """
        value = self.of(record, record.samples, record.output.features)
        if not self.identity:
            return value
        return (value + self.of(record, record.same.samples, record.same.features)) / 2

    def of(self, record: Translation, samples: Tensor, keys: Mapping[str, Tensor]) -> Tensor:
        """The cross-entropy of one batch of translations, with the maps of what was translated."""
        queries = record.features(samples, self.feature_names)
        values = [self._of_map(name, queries[name], keys[name], record.rng) for name in self.feature_names]
        return torch.stack(values).mean()

    def _of_map(self, name: str, queries: Tensor, keys: Tensor, rng: torch.Generator | None) -> Tensor:
        count = queries[0, 0].numel()
        chosen = torch.randperm(count, generator=rng, device=None if rng is None else rng.device)[: self.positions]
        chosen = chosen.to(queries.device)
        with torch.no_grad():
            k = self._projected(name, keys.detach(), chosen)
        q = self._projected(name, queries, chosen)
        logits = q @ k.transpose(1, 2) / self.temperature  # (n, positions, positions)
        match = torch.arange(len(chosen), device=logits.device).expand(len(logits), -1)
        return cross_entropy(logits.flatten(0, 1), match.flatten())

    def _projected(self, name: str, features: Tensor, chosen: Tensor) -> Tensor:
        """H of the chosen positions of a map ``(n, channels, h, w)``, ``(n, positions, width)``, of length 1."""
        rows = features.flatten(2).index_select(2, chosen).transpose(1, 2)
        return normalize(at_least_float32(self.projections[name](rows)), dim=2)
