"""Discriminators of sound: of one period of the waveform, and of the phases and magnitudes of its frequencies."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import Concatenation
from lightning_gen.networks.discriminator import Discriminator
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import DiscriminatorOutput, Shape


class PlaneDiscriminator(Discriminator):
    """Folds a signal into a plane and gives a logit for each of many overlapping patches of that plane.

    For n signals it returns n · h · w logits, those of one signal next to each other; an objective averages over
    signals and patches. Gradient penalties need one logit for each sample and cannot be combined with it. Signals of
    other lengths than that of `shape` are accepted too.

    Args:
        shape: Shape of one sample, ``(channels, length)``.
        width: Channels of the first hidden map.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator.

    Raises:
        InputError: The samples are no signals, are too short, or the width is below 1.
    """

    hidden: nn.ModuleList
    logits: nn.Module
    slope: float

    def __init__(self, shape: Shape, width: int, conditioning: Concatenation | None) -> None:
        super().__init__(shape, conditioning=conditioning)
        if len(self.shape) != 2:
            raise InputError(
                f"{type(self).__name__} judges signals of shape (channels, length), not samples of shape "
                f"{self.shape}: use PatchDiscriminator, which takes signals, images and volumes"
            )
        require_positive(self, "width", width)
        self.width = width

    @property
    def multiple_of(self) -> int:
        """1: all lengths from `least_side` on are accepted."""
        return 1

    def forward(self, x: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Map signals ``(n, *shape)``, of classes ``(n,)`` where it is conditional, to the logits of their patches.

        Returns:
            Logits ``(n · h · w,)``; features ``(n, ...)``, one row a signal; the hidden maps after each activation.

        Raises:
            InputError: The signals have a shape that it does not accept, or it is conditional and the classes are
                missing.
        """
        x = self.prepare(x, self.shape, "shape", labels, self.multiple_of, self.least_side)
        maps = self.maps(x)
        return DiscriminatorOutput(self.logits(maps[-1]).flatten(), maps[-1].flatten(1), labels, hidden=tuple(maps))

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to the last hidden map, ``(n, channels, h, w)``."""
        return self.maps(x)[-1]

    def maps(self, x: Tensor) -> list[Tensor]:
        """Map inputs ``(n, *input_shape)`` to the hidden maps after each activation."""
        x, found = self.plane(x), []
        for layer in self.hidden:
            x = nn.functional.leaky_relu(layer(x), self.slope)
            found.append(x)
        return found

    def plane(self, x: Tensor) -> Tensor:
        """Fold signals ``(n, channels, length)`` into planes ``(n, channels', h, w)``."""
        raise NotImplementedError


class PeriodDiscriminator(PlaneDiscriminator):
    """Judges each phase of one period of a waveform: samples that are a multiple of `period` apart.

    A signal becomes a plane with a period in each row. The kernels have one column, so that a logit depends on one
    phase alone, over 647 periods. Several periods without a common divisor, such as 2, 3, 5, 7 and 11 in a
    `DiscriminatorEnsemble`, see all of a sound.

    A length that is no multiple of the period is continued by its reflection. All weights are normalized by
    `weight_norm`.

    Paper: HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis,
    https://arxiv.org/abs/2010.05646, section 2.3, and its authors' code, whose network this is for one channel.

    Args:
        shape: Shape of one sample, ``(channels, length)``; a length of at least `period`.
        period: Samples in a period.
        width: Channels of the first hidden map; the next ones have 4, 16, 32 and 32 times as many.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator.

    Raises:
        InputError: The samples are no signals, are too short, or a number is below 1.
    """

    slope = 0.1

    def __init__(self, shape: Shape, period: int, width: int = 32, conditioning: Concatenation | None = None) -> None:
        super().__init__(shape, width, conditioning)
        require_positive(self, "period", period)
        if self.shape[1] < period:
            raise InputError(
                f"PeriodDiscriminator cannot fold signals of {self.shape[1]} samples into periods of {period}: give a "
                "shorter period or longer signals"
            )
        self.period = period
        channels = [self.input_shape[0], *(times * width for times in (1, 4, 16, 32, 32))]
        self.hidden = nn.ModuleList(
            weight_norm(nn.Conv2d(channels[i], channels[i + 1], (5, 1), (3 if i < 4 else 1, 1), (2, 0)))
            for i in range(5)
        )
        self.logits = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), 1, (1, 0)))

    @property
    def least_side(self) -> int:
        """The period: a shorter signal cannot be continued by its reflection."""
        return self.period

    def plane(self, x: Tensor) -> Tensor:
        """Fold signals ``(n, channels, length)`` into rows of a period, ``(n, channels, rows, period)``."""
        missing = -x.shape[2] % self.period
        if missing:
            x = torch.cat([x, x[..., -1 - missing : -1].flip(2)], 2)
        return x.unflatten(2, (-1, self.period))


class SpectrogramDiscriminator(PlaneDiscriminator):
    """Judges the complex short-time Fourier transform of signals: real and imaginary parts are channels of a plane.

    Hann windows that are a quarter of `window` apart, divided by their norm; signals are continued by zeros on both
    sides. Then a convolution of kernel 3 x 9 (time, frequency), three that halve the frequencies, with dilation 1, 2
    and 4 in time, and two of kernel 3 x 3, the last one to the logits. All weights are normalized by `weight_norm`.
    Several windows, such as 2048, 1024, 512, 256 and 128 in a `DiscriminatorEnsemble`, see pitch as well as attacks.

    Paper: High Fidelity Neural Audio Compression, https://arxiv.org/abs/2210.13438, section 3.4 and figure 2. Kernels
    of 9 frequencies (8) and the convolution before the last one are from its authors' code. Unlike there, the first
    and last samples are continued by zeros and stand in as many windows as others.

    Args:
        shape: Shape of one sample, ``(channels, length)``.
        window: Samples in a window, at least 4.
        width: Channels of all hidden maps.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator.

    Raises:
        InputError: The samples are no signals, the width is below 1 or the window below 4.
    """

    slope = 0.2

    def __init__(self, shape: Shape, window: int, width: int = 32, conditioning: Concatenation | None = None) -> None:
        super().__init__(shape, width, conditioning)
        require_positive(self, "window", window)
        if window < 4:
            raise InputError(
                f"SpectrogramDiscriminator moves windows by a quarter, which {window} samples have not: set window to "
                "4 or more"
            )
        self.window = window
        dilated = [nn.Conv2d(width, width, (3, 9), (1, 2), (each, 4), (each, 1)) for each in (1, 2, 4)]
        first, last = nn.Conv2d(2 * self.input_shape[0], width, (3, 9), 1, (1, 4)), nn.Conv2d(width, width, 3, 1, 1)
        self.hidden = nn.ModuleList(map(weight_norm, [first, *dilated, last]))
        self.logits = weight_norm(nn.Conv2d(width, 1, 3, 1, 1))

    def plane(self, x: Tensor) -> Tensor:
        """Transform signals ``(n, channels, length)``: ``(n, 2 · channels, windows, window // 2 + 1)``."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        with torch.autocast(x.device.type, enabled=False):
            hann = torch.hann_window(self.window, dtype=wide.dtype, device=x.device)
            found = torch.stft(
                wide.flatten(0, 1),
                self.window,
                self.window // 4,
                window=hann / hann.norm(),
                pad_mode="constant",
                return_complex=True,
            )
        parts = torch.view_as_real(found).unflatten(0, x.shape[:2])  # (n, channels, frequencies, windows, 2)
        return parts.permute(0, 1, 4, 3, 2).flatten(1, 2).to(x.dtype)
