"""Sounds at one size of code: a trained model beside PCA, decimation and mu-law; and pitches that are asked for.

    python tests/benchmarks/sound.py runs/sound
    python tests/benchmarks/sound.py runs/speech --data.folder /usr/share/asterisk/sounds
    python tests/benchmarks/sound.py runs/wavegan

The model is one that `fit` wrote. An autoencoder is measured on its test split: the mean SI-SDR and log-mel distance,
of PCA and decimation with as many numbers as its code, of mu-law at 8 bits a sample, which is the quality of a
telephone, and, for a residual quantizer, of its first 1, 2, ... codebooks with their kbit/s. Of a GAN whose classes are
the pitches of `Plucks` the share of samples within 50 cents of the pitch that was asked for, by autocorrelation.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from lightning_gen import GenerativeModule
from lightning_gen import checkpoint as checkpoints
from lightning_gen.data import DataModule
from lightning_gen.metrics import fit_pca, log_mel_distance, si_sdr

MU = 255
SAMPLES = 30
"""Samples of each pitch that a GAN draws."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run, or a checkpoint")
    parser.add_argument("--data.folder", dest="folder", help="another folder of sounds, for AudioFolder")
    options = parser.parse_args()
    path = checkpoints.located(options.run)
    module = GenerativeModule.load_from_checkpoint(path).eval()
    data = DataModule.load_from_checkpoint(path, **({"folder": options.folder} if options.folder else {}))
    data.setup()
    table(pitches(module, data) if not hasattr(module, "reconstruct") else codecs(module, data))


def table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


@torch.no_grad()
def codecs(module: GenerativeModule, data: DataModule) -> list[list[str]]:
    """A row for each way to store the sounds of the test split."""
    x = data.scaled(data.test_set[:]).x
    seconds = x.shape[2] / data.medium.rate
    code = module.encode(x[:1])[0].numel()
    rows = [["", "numbers or kbit/s", "SI-SDR, dB", "log-mel distance"]]
    for name, size, output in (
        *stored(module, x, code, seconds),
        ("PCA", f"{code}", principal(data, x, code)),
        ("decimation", f"{code}", decimated(x, code)),
        ("mu-law, 8 bits", f"{8 * x[0].numel() / seconds / 1000:.1f} kbit/s", mu_law(x)),
    ):
        pair = [(x, output.clamp(-1, 1))]
        distance = log_mel_distance(pair, data.medium.rate)
        rows.append([name, size, f"{si_sdr(pair).mean:.2f}", f"{distance.mean:.3f}"])
    return rows


def stored(module: GenerativeModule, x: Tensor, code: int, seconds: float) -> Iterator[tuple[str, str, Tensor]]:
    """The reconstruction of the model, and by its first codebooks alone where it has some."""
    found = torch.cat([module.reconstruct(part) for part in x.split(64)])
    quantized = module.quantizations_of(x[:1])
    if not quantized:
        yield "this model", f"{code}", found
        return
    bits = [math.log2(each.size) * each.indices[0].numel() / seconds / 1000 for each in quantized]
    for count in range(1, len(quantized)):
        parts = [decoded(module, part, count) for part in x.split(64)]
        yield f"this model, {count} codebooks", f"{sum(bits[:count]):.2f} kbit/s", torch.cat(parts)
    yield f"this model, all {len(quantized)}", f"{sum(bits):.2f} kbit/s", found


def decoded(module: GenerativeModule, x: Tensor, count: int) -> Tensor:
    """The reconstruction from the sum of the vectors of the first codebooks."""
    vectors = [each.vectors for each in module.quantizations_of(x)[:count]]
    return module.decode(torch.stack(vectors).sum(0))


def principal(data: DataModule, x: Tensor, components: int) -> Tensor:
    train = data.scaled(data.train_set[:]).x
    if min(train[0].numel(), len(train)) < components:
        return torch.zeros_like(x)
    pca = fit_pca(iter(train.split(2 * components)), components, train.numel())
    return pca.reconstruct(x).float()


def decimated(x: Tensor, numbers: int) -> Tensor:
    """Sounds that were brought to fewer samples and back, by a filter of finite length."""
    factor = x[0].numel() // numbers
    fewer = resample_poly(x.numpy(), 1, factor, axis=2)
    return torch.from_numpy(resample_poly(fewer, factor, 1, axis=2)[..., : x.shape[2]].astype(np.float32))


def mu_law(x: Tensor) -> Tensor:
    """Sounds in 256 levels, as ITU-T G.711 spaces them in its continuous form."""
    levels = ((x.sign() * (MU * x.abs()).log1p() / math.log1p(MU) + 1) / 2 * MU).round() / MU * 2 - 1
    return levels.sign() * ((levels.abs() * math.log1p(MU)).expm1() / MU)


@torch.no_grad()
def pitches(module: GenerativeModule, data: DataModule) -> list[list[str]]:
    """The share of samples whose pitch is within 50 cents of that of their class, and of real sounds."""
    labels = torch.arange(data.num_classes).repeat_interleave(SAMPLES)
    made = module.sample(len(labels), labels=labels, generator=torch.Generator().manual_seed(0))
    real = data.test_set[:]
    rows = [["", "within 50 cents", "median, cents"]]
    for name, x, classes in (("samples", made, labels), ("test sounds", data.scaled(real).x, real.labels)):
        cents = np.abs(cents_off(x[:, 0].numpy(), np.array(data.factor_values["pitch"])[classes], data.rate))
        rows.append([name, f"{(cents < 50).mean():.1%}", f"{np.median(cents):.1f}"])
    return rows


def cents_off(sounds: np.ndarray, hz: np.ndarray, rate: int) -> np.ndarray:
    """How far the pitches of sounds ``(n, length)`` are from given ones, in cents, from 90 to 250 Hz."""
    correlation = np.fft.irfft(np.abs(np.fft.rfft(sounds, 4 * sounds.shape[1])) ** 2)[:, : rate // 90 + 2]
    correlation[:, : rate // 250] = 0
    at, every = correlation[:, :-1].argmax(1), np.arange(len(sounds))
    before, here, after = (correlation[every, at + shift] for shift in (-1, 0, 1))
    period = at + (before - after) / np.where(before - 2 * here + after == 0, 1, before - 2 * here + after) / 2
    return 1200 * np.log2(rate / period / hz)


if __name__ == "__main__":
    main()
