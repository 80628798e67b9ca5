"""Self-attention over the positions of a map."""

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from lightning_gen.networks.convolutional import group_norm
from lightning_gen.networks.layers import Layers


class SelfAttention(nn.Module):
    """x + attention of one head among all positions of the map, after GroupNorm; the last layer starts at 0.

    Its cost grows with the square of the number of positions, so it is for small maps.

    Papers: Attention Is All You Need, https://arxiv.org/abs/1706.03762; at the smallest map of an autoencoder, Taming
    Transformers for High-Resolution Image Synthesis, https://arxiv.org/abs/2012.09841, appendix

    Args:
        channels: Channels of the map.
        layers: The layers for the number of spatial dimensions.
    """

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.queries_keys_values = layers.conv(channels, 3 * channels, 1)
        self.last = layers.conv(channels, channels, 1)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` to the same shape."""
        sequences = self.queries_keys_values(self.norm(x)).flatten(2).mT
        attended = scaled_dot_product_attention(*sequences.chunk(3, dim=2))
        return x + self.last(attended.mT.reshape(x.shape))
