"""Adaptive discriminator augmentation: the more the discriminator overfits, the more often images are changed."""

import math

import torch
from torch import Tensor

from lightning_gen.augmentations.base import AdaptiveAugmentation
from lightning_gen.augmentations.differentiable import require_images, uniform
from lightning_gen.augmentations.geometry import Affine, blit, resampled, warp
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT, SHARE, require


class ADA(AdaptiveAugmentation):
    """Flips, moves, warps and recolours images, each operation with a probability that follows the discriminator.

    The paper's "bgc" set in its order and strengths; each image draws its own numbers for each operation:

    - pixels: mirror image (half of the times), 0 to 3 quarter turns (square images only), whole pixels of translation,
      U(-1/8, 1/8) of each side.
    - geometry: scale 2^N(0, 0.2²), rotation U(-π, π), stretch 2^N(0, 0.2²), rotation again, translation N(0, 1/8²) of
      each side. Each rotation has the probability 1 - √(1 - p), so that either happens with probability p.
    - color: brightness + N(0, 0.2²), contrast · 2^N(0, 0.5²), luma flip (half of the times), hue U(-π, π), saturation
      · 2^N(0, 1²). Grey images have the first three, images of other channel counts than 1 and 3 the first two.

    Every `interval`-th update of the discriminator, with r = E[sign D(real)] over these updates (section 3),
    ``p += sign(r - target) · images / adjust_images``, kept in [0, 1]. Below about 0.8 the changes are unlikely to
    leak into what is generated (section 2.2). The zero of the logits means nothing to a discriminator that is trained
    on differences (relativistic and Wasserstein losses) and neither does r: fix the probability there.

    Geometry is one bicubic sample with mirrored rims; the paper samples bilinearly at twice the resolution between two
    wavelet filters. An image that no operation of a kind chose, moving or colouring, is left alone by that kind, so
    that p = 0 is the identity to the bit. Nothing is clamped, so images may leave [-1, 1].

    The sampling has a first derivative only: gradient penalties are taken at the augmented images. The authors' code
    takes R1 at the images before, through the augmentation. On CUDA the backward of the sampling, in the generator's
    turn, adds up in no fixed order.

    Paper: Training Generative Adversarial Networks with Limited Data, https://arxiv.org/abs/2006.06676, appendix B

    Args:
        target: What E[sign D(real)] is to be, in [-1, 1]; None for a probability that stays.
        probability: Probability of each operation at the start, in [0, 1].
        adjust_images: Images in which the probability goes from 0 to 1 where it always rises, at least 1.
        interval: Updates of the discriminator between adjustments, at least 1.
        pixels: Whether images are mirrored, turned and moved by whole pixels.
        geometry: Whether images are scaled, rotated, stretched and moved by parts of pixels.
        color: Whether colours change.

    Attributes:
        current_probability: The probability as it was last adjusted, a float32 scalar; kept in checkpoints.
        sign_sum: Sum of sign D(real) over the images since the last adjustment; kept in checkpoints.
        images: Images since the last adjustment; kept in checkpoints.
        updates: Updates since the last adjustment; kept in checkpoints.

    Raises:
        InputError: An argument is out of range; the samples are no images.
    """

    current_probability: Tensor
    sign_sum: Tensor
    images: Tensor
    updates: Tensor

    def __init__(
        self,
        target: float | None = 0.6,
        probability: float = 0.0,
        adjust_images: int = 500_000,
        interval: int = 4,
        pixels: bool = True,
        geometry: bool = True,
        color: bool = True,
    ) -> None:
        super().__init__()
        if target is not None and not -1 <= target <= 1:
            raise InputError(f"ADA cannot have target {target}: give a mean sign from -1 to 1, or null to stay")
        require(self, "probability", probability, SHARE, "one")
        if adjust_images not in COUNT or interval not in COUNT:
            raise InputError(f"ADA cannot adjust over {adjust_images} images or {interval} updates: give 1 or more")
        self.target = target
        self.probability = probability
        self.adjust_images = adjust_images
        self.interval = interval
        self.pixels = pixels
        self.geometry = geometry
        self.color = color
        self.register_buffer("current_probability", torch.tensor(float(probability)))
        self.register_buffer("sign_sum", torch.tensor(0.0))
        self.register_buffer("images", torch.tensor(0))
        self.register_buffer("updates", torch.tensor(0))

    # the probability -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def adapt(self, real_sign: Tensor, images: int) -> None:
        """Count an update, and adjust the probability where one is due; see `AdaptiveAugmentation.adapt`."""
        if self.target is None:
            return
        self.sign_sum += real_sign * images
        self.images += images
        self.updates += 1
        due = self.updates >= self.interval
        step = torch.sign(self.sign_sum / self.images - self.target) * self.images / self.adjust_images
        self.current_probability += torch.where(due, step, 0.0)
        self.current_probability.clamp_(0, 1)
        for count in (self.sign_sum, self.images, self.updates):
            count.masked_fill_(due, 0)

    def metrics(self) -> dict[str, Tensor]:
        """The probability of each operation."""
        return {"augmentation_probability": self._probability().clone()}

    def _probability(self) -> Tensor:
        """The probability in use; where it stays, what the constructor says wins over a checkpoint."""
        adapted = self.current_probability
        return torch.full_like(adapted, self.probability) if self.target is None else adapted

    # the changes ---------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed images, ``(n, c, h, w)``, computed in float32 at least."""
        require_images(self, x)
        with torch.autocast(x.device.type, enabled=False):
            changed = x.to(torch.promote_types(x.dtype, torch.float32))
            if self.pixels or self.geometry:
                changed = self._moved(changed, generator)
            if self.color:
                changed = self._recolored(changed, generator)
            return changed.to(x.dtype)

    def _moved(self, x: Tensor, generator: torch.Generator) -> Tensor:
        p = self._probability()
        draws = [draw(x, p, generator) for wanted, draw in ((self.pixels, blits), (self.geometry, warps)) if wanted]
        (chosen, source), *later = draws
        for also_chosen, motion in later:
            chosen, source = chosen | also_chosen, source.after(motion)
        return torch.where(chosen[:, None, None, None], resampled(x, source), x)

    def _recolored(self, x: Tensor, generator: torch.Generator) -> Tensor:
        coin, hue = uniform(2, x, generator)
        normal = torch.randn(3, len(x), generator=generator, device=generator.device).to(x)
        on = uniform(5, x, generator) < self._probability()
        brightness = 0.2 * normal[0] * on[0]
        contrast = torch.exp2(0.5 * normal[1] * on[1])
        flip = 1 - 2 * (on[2] & (coin < 0.5)).to(x)
        turn = math.pi * (2 * hue - 1) * on[3]
        saturation = torch.exp2(normal[2] * on[4])
        if x.shape[1] == 3:
            matrix = color_matrix(contrast * flip, contrast * saturation, turn)
            offset = (contrast * flip * brightness)[:, None, None]
            changed = torch.baddbmm(offset, matrix, x.flatten(2)).view_as(x)
        else:
            gain = contrast * flip if x.shape[1] == 1 else contrast
            changed = gain[:, None, None, None] * (x + brightness[:, None, None, None])
        return torch.where(on.any(0)[:, None, None, None], changed, x)


def blits(x: Tensor, p: Tensor, generator: torch.Generator) -> tuple[Tensor, Affine]:
    """Draw the operations on whole pixels.

    Args:
        x: Images ``(n, c, h, w)``.
        p: Probability of each operation.
        generator: Source of the numbers.

    Returns:
        Which images are moved, ``(n,)``, and where their pixels come from.
    """
    height, width = x.shape[2:]
    coin, turns, right, down = uniform(4, x, generator)
    on = uniform(3, x, generator) < p
    mirror = 1 - 2 * (on[0] & (coin < 0.5)).to(x)
    turns = (4 * turns).floor() * on[1] * (height == width)
    shift = torch.stack([(right - 0.5) / 4 * width, (down - 0.5) / 4 * height], 1).round() * on[2][:, None]
    return on.any(0), blit(mirror, turns, shift)


def warps(x: Tensor, p: Tensor, generator: torch.Generator) -> tuple[Tensor, Affine]:
    """Draw the general geometric operations; see `blits`."""
    height, width = x.shape[2:]
    before, after = math.pi * (2 * uniform(2, x, generator) - 1)
    normal = torch.randn(4, len(x), generator=generator, device=generator.device).to(x)
    u, rotated = uniform(5, x, generator), 1 - torch.sqrt(1 - p)
    scaled, stretched, moved = u[:3] < p
    turned_before, turned_after = u[3:] < rotated
    source = warp(
        torch.exp2(0.2 * normal[0] * scaled),
        before * turned_before,
        torch.exp2(0.2 * normal[1] * stretched),
        after * turned_after,
        torch.stack([normal[2] / 8 * width, normal[3] / 8 * height], 1) * moved[:, None],
    )
    return scaled | stretched | moved | turned_before | turned_after, source


def color_matrix(luma: Tensor, chroma: Tensor, hue: Tensor) -> Tensor:
    """Multiply the grey part of red, green and blue, and multiply and turn what is across it.

    The paper's contrast, luma flip, hue and saturation all keep the grey axis v = (1, 1, 1) / √3 and the plane across
    it, so that the product of their matrices is ``luma · vvᵀ + chroma · (cos(hue) (I - vvᵀ) + sin(hue) [v]×)``.

    Args:
        luma: Factor of the grey part, ``(n,)``.
        chroma: Factor of what is across it, ``(n,)``.
        hue: Angle about the grey axis in radians, ``(n,)``.

    Returns:
        ``(n, 3, 3)``.
    """
    one = torch.eye(3, device=luma.device, dtype=luma.dtype)
    grey = torch.full_like(one, 1 / 3)
    turn = (one.roll(-1, 1) - one.roll(1, 1)) / math.sqrt(3)
    luma, chroma, hue = (value[:, None, None] for value in (luma, chroma, hue))
    return luma * grey + chroma * (hue.cos() * (one - grey) + hue.sin() * turn)
