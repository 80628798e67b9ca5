"""Figures of a trained model on the test split, each beside its floor or ceiling and with its protocol."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import lightning_gen
from lightning_gen import checkpoint as checkpoints
from lightning_gen.data import DataModule, GaussianMixture, Loader, Samples
from lightning_gen.errors import InputError
from lightning_gen.metrics import Figure, Report, fit_pca, mode_coverage, reconstruction_error, sliced_wasserstein
from lightning_gen.metrics.pca import obstacle
from lightning_gen.modules import AutoencoderModule, GANModule, GenerativeModule

BATCH = 512
"""Samples that pass through the model at a time."""

COMPARED, PROJECTIONS = 2_000, 512
"""Samples of each set that sliced Wasserstein distances compare, at most, and the directions they are projected on."""


def evaluate(
    checkpoint: str,
    data: DataModule | None = None,
    output: str | None = None,
    seed: int = 0,
    samples: int = 100_000,
) -> None:
    """Measure a trained model on the test split and print the figures with their protocol.

    Autoencoders: error of reconstruction, beside PCA of the same width. Models that can draw: distance of their samples
    from real ones, beside that of two real sets; on mixtures of Gaussians also modes, sample quality and reverse KL.

    Args:
        checkpoint: A checkpoint, such as runs/dcgan/checkpoints/last.ckpt.
        data: What to evaluate on, such as Digits; that of the training if left out.
        output: A JSON file for the same figures and their card.
        seed: The same seed draws the same samples.
        samples: Samples drawn to count modes on a mixture of Gaussians.

    Raises:
        InputError: The checkpoint or the data cannot be read, or do not fit each other.
    """
    target = None if output is None else Path(output)
    if target is not None and target.is_dir():
        raise InputError(f"--output {target} is a folder: give a file in it, such as {target / 'evaluation.json'}")
    stored = checkpoints.read(checkpoint)
    module = checkpoints.restore(GenerativeModule, stored, checkpoint)  # type: ignore[type-abstract]
    report = assess(module, data or stored_data(stored, checkpoint), seed, samples, checkpoint)
    print(report.to_text())
    if target is not None:
        replaced = target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(report.to_json(), encoding="utf-8")
        print(f"\nwritten to {target}" + (" (an older file was replaced)" if replaced else ""))


def assess(
    module: GenerativeModule, data: DataModule, seed: int = 0, samples: int = 100_000, checkpoint: str | None = None
) -> Report:
    """Compute all figures that the model and the data allow; see `evaluate`.

    Args:
        module: The model.
        data: Its test split is evaluated on.
        seed: Of the samples.
        samples: Samples drawn to count modes, at least 1.
        checkpoint: Where the model comes from, for the card.

    Raises:
        InputError: Model and data differ in shape, the test split is empty, or the model's outputs are not finite.
    """
    if samples < 1:
        raise InputError(f"--samples must be at least 1, not {samples}")
    check_shape(module, data)
    data.prepare_data()
    data.setup()
    if not len(data.test_set):
        raise InputError("the test split is empty: set --data.test_fraction above 0, or give other data with --data")
    report = Report(card=card_of(module, data, checkpoint))
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        if isinstance(module, AutoencoderModule):
            report += reconstruction(module, data)
        if module.has_prior:
            report += distance(module, data, seed)
            if isinstance(data, GaussianMixture):
                report += coverage(module, data, seed, samples)
    finally:
        for part, training in modes.items():
            part.training = training
    return report


# what is measured ---------------------------------------------------------------------------------------------------


@torch.no_grad()
def reconstruction(module: AutoencoderModule, data: DataModule) -> Report:
    """Error of reconstruction of the test split, and that of PCA at equal dimensions, fitted on the training split."""
    error = reconstruction_error((x, module.reconstruct(x)) for x in batches(data, data.test_set))
    code, dimensions = code_size(module, data), torch.Size(data.shape).numel()
    card: dict[str, Any] = {"reconstruction": f"decoded from codes of {code} numbers without noise"}
    reason = obstacle(code, dimensions, len(data.train_set))
    if reason is not None:
        return Report(error.figures(), card, omitted={"PCA": reason})
    train = batches(data, data.train_set, max(2 * BATCH, 2 * code))
    pca = fit_pca(train, code, dimensions * len(data.train_set))
    baseline = reconstruction_error((x, pca.reconstruct(x)) for x in batches(data, data.test_set))
    pairs = zip(error.figures(), baseline.figures("pca_", f" by PCA with {code} dimensions"), strict=True)
    return Report(tuple(figure for pair in pairs for figure in pair), card | {"pca": pca.protocol})


def distance(module: GenerativeModule, data: DataModule, seed: int) -> Report:
    """Sliced Wasserstein distance of samples from the test split, and of real samples from each other.

    It compares pixels, or coordinates, and no features of a network: it is not FID, and says whether the distribution
    of pixels is right rather than how good pictures look.
    """
    count = min(COMPARED, len(data.test_set), len(data.train_set))
    real, other = pick(data, data.test_set, count, seed), pick(data, data.train_set, count, seed)
    drawn = float(sliced_wasserstein(draw(module, count, seed), real, PROJECTIONS))
    floor = float(sliced_wasserstein(other, real, PROJECTIONS))
    unit = "pixels in [-1, 1]" if len(data.shape) == 3 else "units of the data"
    meaning = f"distance of samples from the test split in {unit}, not FID, lower is better"
    figures = (
        Figure("sliced_wasserstein", drawn, meaning),
        Figure("sliced_wasserstein_floor", floor, "distance of as many training samples from the test split"),
    )
    protocol = {
        "samples": count,
        "real": f"{count} of test, {count} of train for the floor",
        "projections": PROJECTIONS,
        "seed": seed,
    }
    return Report(figures, {"sliced_wasserstein": protocol})


def coverage(module: GenerativeModule, data: GaussianMixture, seed: int, samples: int) -> Report:
    """Modes found, share of good samples and balance of the modes; see `mode_coverage`."""
    found = mode_coverage(draw(module, samples, seed), torch.tensor(data.centres), data.scale)
    protocol = {
        "samples": samples,
        "seed": seed,
        "high_quality": "Euclidean distance <= 3 sigma",
        "reverse_kl": "all samples",
    }
    return Report(found.figures(), {"modes": protocol})


# samples, real and drawn --------------------------------------------------------------------------------------------


def batches(data: DataModule, split: Samples, size: int = BATCH) -> Iterator[Tensor]:
    """All samples of a split in order, as the model sees them, ``(size, *shape)``; the last batch may be smaller."""
    for batch in Loader(split, size):
        yield data.scaled(batch).x


def pick(data: DataModule, split: Samples, count: int, seed: int) -> Tensor:
    """Samples of a split taken at random without repetition, as the model sees them, ``(count, *shape)``."""
    rows = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]
    return data.scaled(split.__getitems__(rows.tolist())).x


def draw(module: GenerativeModule, count: int, seed: int) -> Tensor:
    """Samples of the model, ``(count, *shape)``, drawn batch by batch from one seeded generator.

    Raises:
        InputError: Some are not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = [min(BATCH, count - start) for start in range(0, count, BATCH)]
    samples = torch.cat([module.sample(size, generator=generator) for size in sizes])
    if not samples.isfinite().all():
        raise InputError("some samples are not finite: the training diverged, evaluate an earlier checkpoint")
    return samples


def code_size(module: AutoencoderModule, data: DataModule) -> int:
    """Numbers in the code of one sample: `latent_dim`, times height and width where codes are maps."""
    return module.encode(next(batches(data, data.test_set, 1)))[0].numel()


# what it is measured on ---------------------------------------------------------------------------------------------


def stored_data(stored: dict[str, Any], path: str) -> DataModule:
    """The data that a model was trained on.

    Raises:
        InputError: The checkpoint does not describe them, or they are gone.
    """
    described = stored.get("datamodule_hyper_parameters")
    if not described or "_class_path" not in described:
        raise InputError(f"{path} does not say what data it was trained on: name them, for instance --data Digits")
    return checkpoints.rebuild(DataModule, described, path)  # type: ignore[type-abstract]


def check_shape(module: GenerativeModule, data: DataModule) -> None:
    """Check that a model and data are made for each other.

    Raises:
        InputError: They are not.
    """
    wanted, got = tuple(module.data_shape), tuple(data.shape)
    if wanted == got:
        return
    remedy = "evaluate it on the data that it was trained on by leaving out --data"
    if len(wanted) == len(got) == 3 and wanted[0] == got[0] and wanted[1] == wanted[2] and hasattr(data, "size"):
        remedy = f"set --data.size {wanted[1]}"
    elif len(wanted) == len(got) == 3 and wanted[0] != got[0] and hasattr(data, "channels"):
        remedy = f"set --data.channels {wanted[0]} and --data.size {wanted[1]}"
    raise InputError(
        f"the model was trained on samples of shape {wanted} and {type(data).__name__} gives {got}: {remedy}"
    )


def card_of(module: GenerativeModule, data: DataModule, checkpoint: str | None) -> dict[str, Any]:
    """What was evaluated: model, data and versions."""
    images = len(data.shape) == 3
    return {
        "checkpoint": checkpoint,
        "module": type(module).__name__,
        "images_seen": module.images_seen,
        "ema": isinstance(module, GANModule) and module.generator_ema is not None,
        "mode": "evaluation: BatchNorm uses its running statistics, dropout is off",
        "data": checkpoints.as_config(dict(data.hparams)),
        "split": {
            "evaluated": "test",
            "train": len(data.train_set),
            "val": len(data.val_set),
            "test": len(data.test_set),
        },
        "range": "pixels in [0, 1], reconstructions clipped" if images else "coordinates as they are",
        "versions": {"torch": torch.__version__, "lightning_gen": lightning_gen.__version__},
    }
