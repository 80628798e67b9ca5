"""The networks of an autoencoder, and the averages of their weights."""

import copy
from abc import ABC
from typing import Any, NamedTuple, cast

from torch import nn

from lightning_gen.bottlenecks import Bottleneck
from lightning_gen.networks import Decoder, Encoder
from lightning_gen.training.averaging import AveragingModule
from lightning_gen.training.ema import EMA


class Networks(NamedTuple):
    """The networks of an autoencoder.

    Attributes:
        encoder: Samples to features.
        bottleneck: Features to a code.
        decoder: Codes to the parameters of the likelihood.
    """

    encoder: Encoder
    bottleneck: Bottleneck
    decoder: Decoder


class AveragedNetworks(AveragingModule, ABC):
    """A module with an encoder, a bottleneck and a decoder, and averages of their weights where it has an EMA.

    Parameters are averaged and buffers copied, among them the codes of a codebook that learns by `MovingAverage`.

    Attributes:
        encoder_ema: The averaged encoder in float32, or None.
        bottleneck_ema: The averaged bottleneck, or None.
        decoder_ema: The averaged decoder, or None.
    """

    encoder: Encoder
    bottleneck: Bottleneck
    decoder: Decoder
    encoder_ema: Encoder | None
    bottleneck_ema: Bottleneck | None
    decoder_ema: Decoder | None

    def __init__(self) -> None:
        super().__init__()
        self.encoder_ema, self.bottleneck_ema, self.decoder_ema = None, None, None

    def average_networks(self, ema: EMA | None) -> None:
        """Make the averages of the networks, which start as copies of them; none without an EMA."""
        self.ema = ema
        if ema is not None:  # in one copy, so that weights that networks share stay shared
            copies: Any = copy.deepcopy(nn.ModuleList(self.trained_networks)).requires_grad_(False).eval()
            self.encoder_ema, self.bottleneck_ema, self.decoder_ema = copies

    @property
    def trained_networks(self) -> Networks:
        """The networks that are trained."""
        return Networks(self.encoder, self.bottleneck, self.decoder)

    @property
    def networks(self) -> Networks:
        """The networks that encode and decode for a user and in evaluation: the averages where there are any."""
        if self.ema is None:
            return self.trained_networks
        self.complete_average()
        return Networks(**cast(Any, self.averaged))

    @property
    def averaged(self) -> dict[str, nn.Module]:
        """The averages by the names of their networks; empty without an EMA."""
        if self.encoder_ema is None or self.bottleneck_ema is None or self.decoder_ema is None:
            return {}
        return {"encoder": self.encoder_ema, "bottleneck": self.bottleneck_ema, "decoder": self.decoder_ema}

    @property
    def protocol(self) -> dict[str, Any]:
        """That the networks are averages, where they are."""
        return {**super().protocol, **({} if self.ema is None else {"ema": True})}
