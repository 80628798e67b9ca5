"""Time how fast the library draws samples and computes features, beside bare loops over the same networks.

    python tests/benchmarks/inference.py --repeats 5
    python tests/benchmarks/inference.py --record

A row is what ``sample`` or ``evaluate`` does with a network, and a loop of plain PyTorch over the same network with the
same batches. Both take turns in one process; a ratio is that of the processor time of the loop's turn to that of the
library's turn before it, median and range. The models' weights are random: the time does not depend on them. With
``--precision bf16-mixed`` or ``--compile true`` the library's side alone runs so, and the ratio is what that gains.
``--compile false true`` measures both. A test asserts that both sides compute the same.
"""

import argparse
import copy
import itertools
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gallery
import torch
from torch import Tensor

from lightning_gen import AutoencoderModule, GANModule
from lightning_gen.bottlenecks import GaussianBottleneck
from lightning_gen.evaluation.samples import Source
from lightning_gen.inference import Inference
from lightning_gen.media.images import to_uint8
from lightning_gen.metrics import Extractor, pretrained_features
from lightning_gen.metrics.classifier import ConvClassifier
from lightning_gen.metrics.pretrained_features import BATCH, lite0_outputs
from lightning_gen.modules import code_sampling
from lightning_gen.networks import ConvDecoder, ConvEncoder, DCGANDiscriminator, DCGANGenerator
from lightning_gen.objectives import BernoulliLikelihood, NonSaturating
from lightning_gen.training.overhead import keep_memory

SHAPE, LATENT, CODE, WIDTH, CLASSES = (1, 32, 32), 64, 16, 32, 10
"""Those of the recipes ``gan/dcgan`` and ``autoencoder/vae``, and of the digits."""

AT_ONCE = 512
"""Images that ``evaluate`` reads at a time."""

Compute = Callable[[], Tensor]


@dataclass(frozen=True)
class Row:
    """What is compared.

    Attributes:
        label: What is computed.
        images: Number of images of a turn.
        sides: Makes the library's side, which runs as it is told, and the loop, for a number of images.
    """

    label: str
    images: int
    sides: Callable[[Inference, int], tuple[Compute, Compute]]


def latents(count: int, width: int) -> Tensor:
    """The latents that the library draws for samples of a seed."""
    return torch.randn(count, width, generator=torch.Generator().manual_seed(0))


def of_samples(
    source: Source, network: Callable[[Tensor], Tensor], width: int, size: int, count: int
) -> tuple[Compute, Compute]:
    """Samples of a model, and of a loop over the network that draws them in batches of a size."""

    @torch.no_grad()
    def bare() -> Tensor:
        return torch.cat([network(z) for z in latents(count, width).split(size)])

    return lambda: source.sample(count, None, torch.Generator().manual_seed(0)), bare


def gan(inference: Inference, count: int) -> tuple[Compute, Compute]:
    """Samples of ``gan/dcgan``."""
    generator = DCGANGenerator(SHAPE, LATENT, WIDTH)
    module = GANModule(generator, DCGANDiscriminator(SHAPE, WIDTH), NonSaturating(), ema=None).eval()
    bare = copy.deepcopy(generator).eval()
    inference.compile([module.generator])
    return of_samples(Source(module, inference=inference), bare, LATENT, 256, count)


def autoencoder(inference: Inference, count: int) -> tuple[Compute, Compute]:
    """Samples of ``autoencoder/vae``."""
    bottleneck = GaussianBottleneck(CODE)
    decoder = ConvDecoder(SHAPE, CODE, WIDTH)
    encoder = ConvEncoder(SHAPE, bottleneck.features, WIDTH)
    module = AutoencoderModule(encoder, decoder, bottleneck, {"reconstruction": BernoulliLikelihood()}).eval()
    network = copy.deepcopy(decoder).eval()
    inference.compile([module.decoder])

    def bare(z: Tensor) -> Tensor:
        return 2 * network(z).sigmoid() - 1

    return of_samples(Source(module, inference=inference), bare, CODE, code_sampling.BATCH, count)


def pictures(count: int, channels: int) -> list[Tensor]:
    """Noise of 8 bits in [-1, 1], in the batches that ``evaluate`` reads."""
    pixels = torch.randint(0, 256, (count, channels, *SHAPE[1:]), generator=torch.Generator().manual_seed(0))
    return list((pixels / 127.5 - 1).split(AT_ONCE))


def lite0(inference: Inference, count: int) -> tuple[Compute, Compute]:
    """Features of colour pictures by EfficientNet-Lite0."""
    features, batches = pretrained_features("lite0"), pictures(count, 3)
    network, running = features.network, features.running(inference)
    pixels = torch.cat([to_uint8(x) for x in batches])

    @torch.no_grad()
    def bare() -> Tensor:
        return torch.cat([lite0_outputs(network, part) for part in pixels.split(BATCH)])

    return lambda: running.features(batches), bare


def classifier(inference: Inference, count: int) -> tuple[Compute, Compute]:
    """Features of digits by a classifier of the data."""
    network, batches = ConvClassifier(SHAPE, CLASSES).eval(), pictures(count, SHAPE[0])
    extractor = Extractor(network, 0.0, {}, Path()).running(inference)

    @torch.no_grad()
    def bare() -> Tensor:
        return torch.cat([network.body(x) for x in batches])

    return lambda: extractor.features(batches), bare


ROWS = (
    Row("`sample`: `gan/dcgan`", 2048, gan),
    Row("`sample`: `autoencoder/vae`", 4096, autoencoder),
    Row("`evaluate`: features of EfficientNet-Lite0", 128, lite0),
    Row("`evaluate`: features of the digits' classifier", 4096, classifier),
)


def seconds(compute: Compute) -> float:
    """Processor seconds of a computation."""
    start = time.process_time()
    compute()
    return time.process_time() - start


def timed(row: Row, inference: Inference, repeats: int) -> dict[str, Any]:
    """The images a second of both sides, and the ratio of the library's to the loop's."""
    library, bare = row.sides(inference, row.images)
    library(), bare()  # the first time, memory is asked for and networks are compiled
    pairs = []
    for turn in range(repeats):  # each side is the first in every other turn
        first, second = (library, bare) if turn % 2 else (bare, library)
        times = {first: seconds(first), second: seconds(second)}
        pairs.append((times[library], times[bare]))
    ratios = [theirs / ours for ours, theirs in pairs]
    return {
        "library_rate": row.images / statistics.median(ours for ours, _ in pairs),
        "loop_rate": row.images / statistics.median(theirs for _, theirs in pairs),
        "ratio": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
    }


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, help="pairs of turns of a row")
    parser.add_argument("--precision", nargs="+", default=["32-true"], help="precisions of the library's side")
    parser.add_argument(
        "--compile", nargs="+", choices=("false", "true"), default=["false"], help="whether it compiles"
    )
    parser.add_argument("--record", action="store_true", help="store the figures in results/ and rewrite the pages")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()  # as the commands do, for both sides
    print(f"{os.cpu_count()} cores (load {os.getloadavg()[0]:.2f}), torch {torch.__version__}, one thread")
    found, words = {}, {}
    for precision, compiled, row in itertools.product(options.precision, options.compile, ROWS):
        given = ["--precision", precision] * (precision != "32-true") + ["--compile", "true"] * (compiled == "true")
        label = " ".join([row.label, *([f"`{' '.join(given)}`"] if given else [])])
        found[label] = timed(row, Inference(precision=precision, compiled=compiled == "true"), options.repeats)
        words[label] = " ".join(given)
        print(gallery.measured("inference", {label: found[label]}).splitlines()[-1], flush=True)
    if options.record:
        how = f"one thread, processor time, median and range of {options.repeats} pairs of turns"
        gallery.record("inference", found, words, how)


if __name__ == "__main__":
    main()
