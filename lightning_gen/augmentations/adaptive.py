"""Adaptive discriminator augmentation: its probability rises when the discriminator overfits."""

import math

import torch
from torch import Tensor

from lightning_gen.augmentations.base import AdaptiveAugmentation
from lightning_gen.augmentations.differentiable import require_images, uniform
from lightning_gen.augmentations.geometry import Affine, blit, resampled, warp
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT, SHARE, require
from lightning_gen.schedules import Schedule, at

CUTOUT = 0.5
"""Sides of the rectangle that is cut out, as shares of those of the image."""


class ADA(AdaptiveAugmentation):
    """Flips, shifts, warps and recolours images; all operations have one probability, which is adapted in training.

    These are the operations of the paper's "bgc" set, in its order and with its strengths, and its cutout. Each image
    has its own random numbers for each operation:

    - pixels: horizontal flip (in half of the cases), 0 to 3 quarter turns (square images only), translation by whole
      pixels, U(-1/8, 1/8) of each side.
    - geometry: scale 2^N(0, 0.2²), rotation U(-π, π), stretch 2^N(0, 0.2²), rotation again, translation N(0, 1/8²) of
      each side. Each rotation has the probability 1 - √(1 - p), so that at least one happens with probability p.
    - color: brightness + N(0, 0.2²), contrast · 2^N(0, 0.5²), luma flip (in half of the cases), hue U(-π, π),
    saturation
      · 2^N(0, 1²). Grey images have the first three, images with neither 1 nor 3 channels the first two.
    - cutout: a rectangle of half the height and width, whose centre is uniform in the image, becomes 0, the middle
      grey. It comes last and is off by default, as in "bgc".

    Each group has a share of the probability, or all of it (true), or none (false). R3GAN has all operations, those of
    colour with half of the probability (https://arxiv.org/abs/2501.05441).

    Every `interval`-th update of the discriminator sets ``p += sign(r - target) · images / adjust_images``, clamped to
    [0, 1], with r = E[sign D(real)] over these updates (section 3). Below about 0.8 the augmentations are unlikely to
    leak into generated images (section 2.2). For relativistic and Wasserstein losses the sign of the logits, and so r,
    has no meaning: use a fixed probability with them, or a schedule of it, which counts the images of the batch itself
    as the weight of a penalty does.

    `adjust_images` is in proportion to the run. The paper's 500,000 is 2 % of its 25 million images, so that p follows
    the overfitting at once; a run of 80,000 images ends before p has passed 0.16. There 10,000 to 20,000 do the same.

    Geometric operations are composed to one bicubic resampling with reflected borders; the paper resamples bilinearly
    at twice the resolution, between two wavelet filters. Geometry and colour each change only the images for which one
    of their operations was chosen, so p = 0 is the identity, bit for bit. Nothing is clamped, so images may leave [-1,
    1].

    Gradient penalties are computed at the augmented images. The authors' code computes R1 at the original images,
    through the augmentation. On CUDA the backward pass of the resampling, in the generator's phase, adds in no fixed
    order unless ``--trainer.deterministic true`` asks for one, which makes the resampling slower.

    Paper: Training Generative Adversarial Networks with Limited Data, https://arxiv.org/abs/2006.06676, appendix B

    Args:
        target: Target of E[sign D(real)], in [-1, 1]; None for a fixed or scheduled probability.
        probability: Initial probability of each operation, in [0, 1]; or, without a target, a schedule of it.
        adjust_images: Images in which the probability goes from 0 to 1 if it always rises, at least 1.
        interval: Updates of the discriminator between adjustments, at least 1.
        pixels: Whether to flip, turn and shift images by whole pixels, or the share of the probability, in [0, 1].
        geometry: Whether to scale, rotate, stretch and shift images by fractions of pixels, or the share.
        color: Whether to change colours, or the share.
        cutout: Whether to cut a rectangle out, or the share.

    Attributes:
        current_probability: The probability after the last adjustment, or by the schedule, a float32 scalar;
            checkpoints hold it.
        sign_sum: Sum of sign D(real) over the images since the last adjustment; checkpoints hold it.
        images: Images since the last adjustment; checkpoints hold it.
        updates: Updates since the last adjustment; checkpoints hold it.

    Raises:
        InputError: An argument is out of range; the samples are not images.
    """

    current_probability: Tensor
    sign_sum: Tensor
    images: Tensor
    updates: Tensor

    def __init__(
        self,
        target: float | None = 0.6,
        probability: float | Schedule = 0.0,
        adjust_images: int = 500_000,
        interval: int = 4,
        pixels: bool | float = True,
        geometry: bool | float = True,
        color: bool | float = True,
        cutout: bool | float = False,
    ) -> None:
        super().__init__()
        if target is not None and not -1 <= target <= 1:
            raise InputError(
                f"ADA cannot have target {target}: give a mean sign from -1 to 1, or null for a fixed probability"
            )
        if target is not None and isinstance(probability, Schedule):
            raise InputError(
                "ADA cannot have a target and a schedule of its probability: give target null with a schedule"
            )
        require(self, "probability", probability, SHARE, "one")
        for name, share in (("pixels", pixels), ("geometry", geometry), ("color", color), ("cutout", cutout)):
            require(self, name, share, SHARE, "true, false or a share of the probability")
        if adjust_images not in COUNT or interval not in COUNT:
            raise InputError(f"ADA cannot adjust over {adjust_images} images or {interval} updates: give 1 or more")
        self.target = target
        self.probability = probability
        self.adjust_images = adjust_images
        self.interval = interval
        self.pixels = pixels
        self.geometry = geometry
        self.color = color
        self.cutout = cutout
        self.register_buffer("current_probability", torch.tensor(float(at(probability, 0))))
        self.register_buffer("sign_sum", torch.tensor(0.0))
        self.register_buffer("images", torch.tensor(0))
        self.register_buffer("updates", torch.tensor(0))

    # the probability -----------------------------------------------------------------------------------------------

    @property
    def reads_signs(self) -> bool:
        """Whether it has a target."""
        return self.target is not None

    def advance(self, images_seen: int) -> None:
        """Set the probability to that of its schedule; see `AdaptiveAugmentation.advance`."""
        if isinstance(self.probability, Schedule):
            self.current_probability.fill_(self.probability(images_seen))

    @torch.no_grad()
    def adapt(self, real_sign: Tensor, images: int) -> None:
        """Count an update, and adjust the probability every `interval` updates; see `AdaptiveAugmentation.adapt`."""
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

    def summary(self, max_images: int | None) -> list[str]:
        """What the probability can reach, where the run ends before it can be 1."""
        if self.target is None or max_images is None or max_images >= self.adjust_images:
            return []
        most = min(1.0, at(self.probability, 0) + max_images / self.adjust_images)
        return [
            f"ADA: its probability can reach {most:.2f} in {max_images:,} images: for more lower "
            f"--model.augmentation.adjust_images, now {self.adjust_images:,}"
        ]

    def _probability(self) -> Tensor:
        """The probability in use; a fixed one is the constructor's, not that of a checkpoint."""
        current = self.current_probability
        if self.target is not None or isinstance(self.probability, Schedule):
            return current
        return torch.full_like(current, self.probability)

    # the changes ---------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return augmented images, ``(n, c, h, w)``, computed at least in float32."""
        require_images(self, x)
        with torch.autocast(x.device.type, enabled=False):
            changed = x.to(torch.promote_types(x.dtype, torch.float32))
            if self.pixels or self.geometry:
                changed = self._moved(changed, generator)
            if self.color:
                changed = self._recolored(changed, generator)
            if self.cutout:
                changed = self._cut(changed, generator)
            return changed.to(x.dtype)

    def _moved(self, x: Tensor, generator: torch.Generator) -> Tensor:
        p = self._probability()
        groups = ((self.pixels, blits), (self.geometry, warps))
        draws = [draw(x, share * p, generator) for share, draw in groups if share]
        (chosen, source), *later = draws
        for also_chosen, motion in later:
            chosen, source = chosen | also_chosen, source.after(motion)
        return torch.where(chosen[:, None, None, None], resampled(x, source), x)

    def _recolored(self, x: Tensor, generator: torch.Generator) -> Tensor:
        coin, hue = uniform(2, x, generator)
        normal = torch.randn(3, len(x), generator=generator, device=generator.device).to(x)
        on = uniform(5, x, generator) < self.color * self._probability()
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

    def _cut(self, x: Tensor, generator: torch.Generator) -> Tensor:
        chance, right, down = uniform(3, x, generator)
        on = chance < self.cutout * self._probability()
        hidden = covered(x.shape[2], down)[:, :, None] & covered(x.shape[3], right)[:, None]
        return x.masked_fill((on[:, None, None] & hidden)[:, None], 0)


def covered(size: int, centre: Tensor) -> Tensor:
    """Which of `size` pixels lie less than half of `CUTOUT` from centres in [0, 1], ``(n,)``: ``(n, size)``."""
    places = (torch.arange(size, device=centre.device, dtype=centre.dtype) + 0.5) / size
    return (places - centre[:, None]).abs() < CUTOUT / 2


def blits(x: Tensor, p: Tensor, generator: torch.Generator) -> tuple[Tensor, Affine]:
    """Sample the operations on whole pixels.

    Args:
        x: Images ``(n, c, h, w)``.
        p: Probability of each operation.
        generator: Source of random numbers.

    Returns:
        Which images change, ``(n,)``, and the positions that their pixels come from.
    """
    height, width = x.shape[2:]
    coin, turns, right, down = uniform(4, x, generator)
    on = uniform(3, x, generator) < p
    mirror = 1 - 2 * (on[0] & (coin < 0.5)).to(x)
    turns = (4 * turns).floor() * on[1] * (height == width)
    shift = torch.stack([(right - 0.5) / 4 * width, (down - 0.5) / 4 * height], 1).round() * on[2][:, None]
    return on.any(0), blit(mirror, turns, shift)


def warps(x: Tensor, p: Tensor, generator: torch.Generator) -> tuple[Tensor, Affine]:
    """Sample the general geometric operations; see `blits`."""
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
    """Matrices of RGB colours that scale the grey axis, and scale and rotate the plane perpendicular to it.

    The paper's contrast, luma flip, hue and saturation all map the grey axis v = (1, 1, 1) / √3 and the plane
    perpendicular to it to themselves, so the product of their matrices is
    ``luma · vvᵀ + chroma · (cos(hue) (I - vvᵀ) + sin(hue) [v]×)``.

    Args:
        luma: Factor of the grey axis, ``(n,)``.
        chroma: Factor of the plane, ``(n,)``.
        hue: Angle of rotation around the grey axis in radians, ``(n,)``.

    Returns:
        ``(n, 3, 3)``.
    """
    one = torch.eye(3, device=luma.device, dtype=luma.dtype)
    grey = torch.full_like(one, 1 / 3)
    turn = (one.roll(-1, 1) - one.roll(1, 1)) / math.sqrt(3)
    luma, chroma, hue = (value[:, None, None] for value in (luma, chroma, hue))
    return luma * grey + chroma * (hue.cos() * (one - grey) + hue.sin() * turn)
