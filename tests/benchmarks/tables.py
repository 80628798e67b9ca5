"""Train and measure the rows of the tables in configs/README.md: ``python tests/benchmarks/tables.py modes``.

Each row is a recipe with options, trained once a seed by the command line, one thread each, and measured by
``evaluate`` on the test split. Rows whose files are below --folder already are not trained or measured again, so an
interrupted table can be resumed. Times are CPU seconds of the training, which a busy machine changes little. With
``--record`` the metrics go into ``results/`` and from there into the pages.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import gallery
import torch
from torch.nn.functional import interpolate

from lightning_gen.applications.trained import Trained
from lightning_gen.cli import recipes
from lightning_gen.media.files import save
from lightning_gen.media.images import image_grid


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        label: What it is called.
        options: What ``fit`` is told.
    """

    label: str
    options: str


@dataclass(frozen=True)
class Table:
    """What is compared.

    Attributes:
        rows: The systems.
        seeds: Runs of each row.
        setting: What ``fit`` is told for all rows, after the recipe.
        evaluation: What ``evaluate`` is told; by default what the rows that were measured before were.
    """

    rows: tuple[Row, ...]
    seeds: int = 1
    setting: str = ""
    evaluation: str = "--features classifier"


STACKED = "--config gan/r3gan --config data/stacked_digits --max_images 150000"
GANS = (
    *("dense", "minimax", "dcgan", "lsgan", "wgan", "wgan_gp", "dragan", "sngan", "rpgan", "r3gan", "pacgan", "cgan"),
    *("acgan", "projection", "diffaugment", "ada"),
)
AUTOENCODERS = (
    *("dense", "convolutional", "residual", "denoising", "masked", "sparse_topk", "sparse_l1", "sparse_kl"),
    *("contractive", "vae", "conditional_vae", "beta_vae", "beta_tc_vae", "factor_vae", "dip_vae", "info_vae", "wae"),
    *("adversarial", "iwae", "hierarchical_vae", "vq_vae", "rq_vae", "fsq", "vae_gan", "vq_gan", "kl"),
)
FASHION = "--config data/fashion_mnist --data.size 28"
FALLING = (
    "--model.optimizer.lr 0.002 --model.scheduler.class_path lightning_gen.schedules.ImageSchedule "
    "--model.scheduler.learning_rate.class_path Cosine --model.scheduler.learning_rate.end_images 600000"
)
FADING = "--model.objective.kl.weight.warmup_images 300000"
"""The divergence fades in over half of the run, as over a tenth of the much longer ones of the hierarchical paper."""
WIDE = f"--model.encoder.widths [512] --model.bottleneck.width 512 --model.decoder.widths [512,512] {FADING}"
FLAT = (
    "--model.bottleneck GaussianBottleneck --model.bottleneck.latent_dim 50 --model.encoder.widths [512,512] "
    f"--model.decoder.widths [512,512] {FADING}"
)
"""The layers of the hierarchical one around a single level of code."""
ALONE = "--model.discriminator null --model.adversarial null"
"""A translation without its adversarial part: by its error alone."""
PIXELS = "--model.objective.perceptual.weight 0"


TABLES = {
    "modes": Table(
        (
            Row("ring: `gan/ring8`", "--config gan/ring8"),
            Row("ring: `gan/ring8_plain`", "--config gan/ring8_plain"),
            Row("grid: `gan/grid25`", "--config gan/grid25"),
            Row("grid: `gan/grid25_plain`", "--config gan/grid25_plain"),
        ),
        seeds=5,
    ),
    "fashion": Table(  # about ten minutes of one core each
        (
            Row("DCGAN", "--config gan/dcgan --max_images 440000"),
            Row("WGAN-GP", "--config gan/wgan_gp --max_images 430000"),
            Row("SNGAN", "--config gan/sngan --max_images 280000"),
            Row("R3GAN, small", "--config gan/r3gan --max_images 150000"),
        ),
        seeds=3,
        setting="--config data/fashion_mnist --data.size 28",
    ),
    "stacked": Table(
        (
            Row("DCGAN", "--config gan/dcgan --config data/stacked_digits --max_images 300000"),
            Row("R3GAN's network, non-saturating + R1 + R2", f"{STACKED} --model.objective NonSaturating"),
            Row("R3GAN's network, RpGAN + R1 + R2", STACKED),
        ),
    ),
    "recipes": Table(
        tuple(Row(name, f"--config gan/{name}") for name in GANS),
    ),
    "autoencoders": Table(
        tuple(Row(name, f"--config autoencoder/{name}") for name in AUTOENCODERS),
    ),
    "embedding": Table(  # three minutes on two cores, or six of one
        (
            Row(
                "convolutional autoencoder, 32 numbers",
                f"--config autoencoder/convolutional {FASHION} {FALLING} "
                "--model.objective.reconstruction BernoulliLikelihood",
            ),
        ),
        seeds=3,
        setting="--data.batch_size 32 --max_images 600000",
        evaluation="--extractor false",
    ),
    "likelihood": Table(
        (
            Row("VAE, 784-200-200-50 and back", "--config autoencoder/iwae --model.codes_per_sample 1"),
            Row("IWAE, 5 codes", "--config autoencoder/iwae --model.codes_per_sample 5"),
            Row("IWAE, 50 codes", "--config autoencoder/iwae --model.codes_per_sample 50"),
            Row("hierarchical VAE, 784-512-(32, 16) and back", f"--config autoencoder/hierarchical_vae {WIDE}"),
            Row("VAE of the same layers, 784-512-512-50 and back", f"--config autoencoder/hierarchical_vae {FLAT}"),
        ),
        seeds=3,
        setting=f"{FASHION} --data.batch_size 128 --max_images 600000",
        evaluation="--draws 5000 --extractor false",
    ),
    "codebook": Table(
        (Row("VQ-VAE, 512 codes", f"--config autoencoder/vq_vae --model.bottleneck.codes 512 {FASHION}"),),
        setting="--max_images 60000",
        evaluation="--extractor false",
    ),
    "restoration": Table(  # about four minutes of one core each
        (
            Row("four times as large: absolute error alone", f"--config translation/srgan {ALONE} {PIXELS}"),
            Row("four times as large: `translation/srgan`", "--config translation/srgan"),
            Row("hole: absolute error alone", f"--config translation/inpaint {ALONE}"),
            Row("hole: `translation/inpaint`", "--config translation/inpaint"),
            Row("blur: absolute error alone", f"--config translation/deblur {ALONE}"),
            Row("blur: `translation/deblur`", "--config translation/deblur"),
        ),
        setting="--config data/fashion_mnist --data.batch_size 8 --max_images 30000",
        evaluation="",
    ),
    "disentanglement": Table(
        (
            Row("VAE", "--config autoencoder/beta_vae --model.objective.kl.weight 1"),
            Row("beta-VAE, beta 4", "--config autoencoder/beta_vae"),
            Row("beta-TC-VAE", "--config autoencoder/beta_tc_vae"),
            Row("FactorVAE", "--config autoencoder/factor_vae"),
        ),
        seeds=5,
        setting="--config data/sprites --max_images 300000",
        evaluation="--extractor false",
    ),
}


def name_of(row: Row, seed: int) -> str:
    """The name of a run of a row."""
    return re.sub(r"\W+", "_", f"{row.label} {seed}")


def measure(row: Row, seed: int, table: Table, folder: Path) -> dict[str, float]:
    """Train and measure a row, each unless its file is there; returns metrics and CPU seconds of the training."""
    name = name_of(row, seed)
    log, trained, measured = folder / f"{name}.log", folder / name / "trained.json", folder / name / "evaluation.json"
    program = [sys.executable, "-m", "lightning_gen"]
    recipe = fingerprint(row, table)
    if not trained.exists() or json.loads(trained.read_text())["recipe"] != recipe:
        shutil.rmtree(folder / name, ignore_errors=True)
        run = ["--seed_everything", str(seed), "--name", name, "--runs_dir", str(folder)]
        seconds = call([*program, "fit", *row.options.split(), *table.setting.split(), *run], log)
        trained.write_text(json.dumps({"cpu_seconds": seconds, "recipe": recipe}))
    if not measured.exists():
        checkpoint = folder / name / "checkpoints" / "last.ckpt"
        call([*program, "evaluate", str(checkpoint), *table.evaluation.split(), "--output", str(measured)], log)
    report = json.loads(measured.read_text())
    return report["figures"] | {"images": report["card"]["images_seen"]} | json.loads(trained.read_text())


def fingerprint(row: Row, table: Table) -> str:
    """The options of a row and the content of its recipes: a row whose recipe has changed is trained again."""
    words = [*row.options.split(), *table.setting.split()]
    contents = [recipes.load(recipes.find(after)) for word, after in pairwise(words) if word == "--config"]
    return hashlib.sha256(json.dumps([words, contents]).encode()).hexdigest()[:16]


def call(command: list[str], log: Path) -> float:
    """Run a command with one thread, its output added to a file; returns its CPU seconds.

    Raises:
        RuntimeError: It fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        print("$", *command, file=output, flush=True)
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed: see {log}")
    return usage.ru_utime + usage.ru_stime


@torch.no_grad()
def reconstructions(runs: list[Path], count: int = 24, size: int = 32) -> torch.Tensor:
    """The first test images, and below them their reconstructions by the autoencoders of some runs; uint8."""
    rows: list[torch.Tensor] = []
    for run in runs:
        trained = Trained.open(str(run / "checkpoints" / "last.ckpt"))
        module, data = trained.module.eval(), trained.data()
        data.prepare_data()
        data.setup("test")
        x, labels = data.scaled(data.test_set.__getitems__(list(range(count))))
        x = module.transform_input(x, torch.Generator().manual_seed(0))
        shown = [module.reconstruct(x, labels)] if rows else [x, module.reconstruct(x, labels)]
        rows += [interpolate(each, size=(size, size), mode="nearest") for each in shown]
    return image_grid(torch.cat(rows), columns=count)


def main() -> None:
    """Parse the options, train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--folder", type=Path, default=Path("runs") / "tables", help="folder of runs and metrics")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trainings at a time")
    parser.add_argument("--seeds", type=int, help="runs of each row")
    parser.add_argument("--rows", nargs="*", help="labels of the rows to run; all if left out")
    parser.add_argument("--record", action="store_true", help="store the metrics in results/ and rewrite the pages")
    parser.add_argument("--image", type=Path, help="PNG of the first seed's reconstructions, the originals on top")
    options = parser.parse_args()
    table = TABLES[options.table]
    seeds = range(options.seeds or table.seeds)
    rows = [row for row in table.rows if not options.rows or row.label in options.rows]
    with ThreadPoolExecutor(options.jobs) as pool:
        pairs = [(row, seed) for seed in seeds for row in rows]
        runs = {pair: pool.submit(measure, *pair, table, options.folder / options.table) for pair in pairs}
    measured: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        found = [runs[row, seed].result() for seed in seeds]
        shared = [name for name in found[0] if all(isinstance(one.get(name), int | float) for one in found)]
        measured[row.label] = {name: [one[name] for one in found] for name in shared}
    print(gallery.measured(options.table, measured))
    if options.record:
        commands = {row.label: f"{row.options} {table.setting}".strip() for row in rows}
        listed = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
        gallery.record(options.table, measured, commands, f"one thread a run, {listed}")
    if options.image is not None:
        save(reconstructions([options.folder / options.table / name_of(row, 0) for row in rows]), options.image)


if __name__ == "__main__":
    main()
