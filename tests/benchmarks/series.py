"""Series: how well anomalies are found, and how well samples are told from real windows.

    python tests/benchmarks/series.py anomaly --folder series --seeds 3
    python tests/benchmarks/series.py vae --folder series --seeds 3

``anomaly`` trains ``autoencoder/series_anomaly`` on windows of sines, and scores by the reconstruction error those of
the test split and as many with one spike, level shift or phase slip each. Each window is scored alone; no point of it
counts as found because another one was. The threshold is the 0.95 quantile of the errors of the validation split, and
the columns are the area under the ROC curve over all anomalies and for each kind, the share of normal test windows
above the threshold, and that of the anomalies. PCA has the same windows, and as many numbers or more.

``vae`` trains ``autoencoder/series_vae`` and computes the discriminative score of windows that are sampled, against
windows of another seed; of as many real ones; and of samples without the noise of the likelihood, which is the mean
that ``sample`` writes.

Runs that are in the folder are not trained again. The expected time is printed first.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import gallery
import torch
from tables import call
from torch import Tensor

from lightning_gen import GenerativeModule
from lightning_gen.applications.anomaly_scores import squared_errors
from lightning_gen.data import Sines
from lightning_gen.data.sines import ANOMALIES
from lightning_gen.metrics import discriminative_score, fit_pca
from lightning_gen.metrics.detection import detection
from lightning_gen.records import Batch
from lightning_gen.samplers import GaussianMixtureSampler

IMAGES_A_SECOND = 1300
"""Of training, on one core of an AMD EPYC."""
IMAGES = 400_000
QUANTILE = 0.95
WIDTHS = (8, 16, 32)
"""Numbers of PCA; 8 are those of the recipe."""
COMPARED = 2000
"""Windows of each set that a classifier is asked to tell apart."""
REAL_SEEDS = (100, 101)
"""Seeds of windows that no model was trained on."""

Score = Callable[[Batch], Tensor]
"""The score of each window of a batch, ``(n,)``."""


def trained(recipe: str, folder: Path, seed: int, images: int) -> tuple[GenerativeModule, float]:
    """A trained model, and the CPU seconds that it took."""
    run = folder / f"{recipe}_{images}_seed_{seed}"
    if not (run / "trained.json").exists():
        options = ["--config", f"autoencoder/{recipe}", "--max_images", str(images), "--seed_everything", str(seed)]
        place = ["--name", run.name, "--runs_dir", str(folder), "--trainer.accelerator", "cpu"]
        seconds = call([sys.executable, "-m", "lightning_gen", "fit", *options, *place], folder / "log")
        (run / "trained.json").write_text(json.dumps({"cpu_seconds": seconds}))
    seconds = json.loads((run / "trained.json").read_text())["cpu_seconds"]
    return GenerativeModule.load_from_checkpoint(run / "checkpoints" / "last.ckpt").eval(), seconds


def sets() -> dict[str, Batch]:
    """The windows of the recipe's data, as models see them, and the anomalies."""
    data = Sines()
    data.setup()
    stored = {"train": data.train_set, "val": data.val_set, "test": data.test_set, "anomalies": data.anomalies()}
    return {name: data.scaled(part[:]) for name, part in stored.items()}


def found_by(score: Score, windows: dict[str, Batch]) -> dict[str, float]:
    """The figures of one score."""
    with torch.no_grad():
        held_out, normal, abnormal = (score(windows[name]) for name in ("val", "test", "anomalies"))
    kinds, threshold = windows["anomalies"].labels, held_out.quantile(QUANTILE)
    return {
        "AUROC": detection(normal, abnormal).auroc,
        **{name: detection(normal, abnormal[kinds == kind]).auroc for kind, name in enumerate(ANOMALIES)},
        "normal flagged": float((normal > threshold).double().mean()),
        "anomalies flagged": float((abnormal > threshold).double().mean()),
    }


def anomaly_rows(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """The rows of ``anomaly``, a record for each seed."""
    windows = sets()
    rows = {f"PCA, {width} numbers": [found_by(linear(windows["train"], width), windows)] for width in WIDTHS}
    rows["`autoencoder/series_anomaly`, 8 numbers"] = found = []
    for seed in range(options.seeds):
        module, seconds = trained("series_anomaly", options.folder, seed, options.images)
        figures = found_by(lambda batch, module=module: squared_errors(module, batch).flatten(1).mean(1), windows)  # type: ignore[misc]
        found.append(figures | {"CPU, s": seconds})
    return rows


def linear(training: Batch, width: int) -> Score:
    """The reconstruction error of PCA."""
    pca = fit_pca([training.x], width, training.x.numel())
    return lambda batch: (pca.reconstruct(batch.x) - batch.x).double().square().flatten(1).mean(1)


def vae_rows(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """The rows of ``vae``, a record for each seed."""
    real, other = (real_windows(seed) for seed in REAL_SEEDS)
    rows: dict[str, list[dict[str, float]]] = {
        name: [] for name in ("real windows", "samples of the prior", "the same, without noise", "samples of a mixture")
    }
    for seed in range(options.seeds):
        module, seconds = trained("series_vae", options.folder, seed, options.images)
        generator = torch.Generator().manual_seed(seed)
        data = Sines()
        data.setup()
        mixture = module.fit_sampler(GaussianMixtureSampler(), data)
        means = {
            "samples of the prior": module.sample(COMPARED, generator=generator),
            "samples of a mixture": module.sample(COMPARED, generator=generator, sampler=mixture),
        }
        deviation = module.likelihood.learned_scale.item()
        noisy = {name: x + deviation * torch.randn(x.shape, generator=generator) for name, x in means.items()}
        compared = {"real windows": other, **noisy, "the same, without noise": means["samples of the prior"]}
        for name, x in compared.items():
            rows[name].append({"discriminative score": discriminative_score(real, x, seed).score})
        rows["samples of the prior"][-1] |= {"learned deviation": deviation, "CPU, s": seconds}
    return rows


def real_windows(seed: int) -> Tensor:
    """Windows of another seed, as models see them."""
    data = Sines(count=COMPARED, seed=seed)
    data.setup()
    return data.scaled(data.train_set[:]).x


def main() -> None:
    """Train what is missing, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("anomaly", "vae"))
    parser.add_argument("--folder", type=Path, default=Path("runs") / "series", help="folder of runs")
    parser.add_argument("--seeds", type=int, default=3, help="runs")
    parser.add_argument("--images", type=int, default=IMAGES, help="windows that each run sees")
    options = parser.parse_args()
    minutes = options.seeds * options.images / IMAGES_A_SECOND / 60
    print(f"{options.seeds} trainings, about {minutes:.0f} minutes of one core", flush=True)
    torch.set_num_threads(1)
    rows = anomaly_rows(options) if options.table == "anomaly" else vae_rows(options)
    columns = list(dict.fromkeys(name for found in rows.values() for each in found for name in each))
    cells = [
        [
            label,
            *(
                format(gallery.Figure([each[name] for each in found if name in each] or None), ".3f")
                for name in columns
            ),
        ]
        for label, found in rows.items()
    ]
    print(gallery.markdown(["", *columns], cells))


if __name__ == "__main__":
    main()
