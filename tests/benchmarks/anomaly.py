"""One class of Fashion-MNIST as normal, all others as abnormal: ``python tests/benchmarks/anomaly.py``.

For each class an autoencoder is trained on the pictures of that class in the published training part, less a tenth that
calibrates, and all 10,000 test pictures are scored by ``detect``. The table has the area under the ROC curve of the
column that it writes, as the mean over the classes, with the deviation over the seeds, and the share of normal test
pictures that are flagged. PCA is fitted to all training pictures of the class, also to that tenth. The default score
was chosen by ``--choose``: on the training part of one class alone, CHOSEN_ON, with other classes of the training part
as abnormal. No test picture took part in it.

Runs whose files are below --folder are not trained or scored again, so an interrupted table can be resumed.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import gallery
import numpy as np
import torch
from sklearn.decomposition import PCA
from tables import call

from lightning_gen.data import FashionMNIST
from lightning_gen.metrics.detection import detection

CLASSES = range(10)
CHOSEN_ON = 6
RECIPE = (
    "--config autoencoder/dense --model.encoder.widths [512,256] --model.encoder.activate_features false "
    "--model.decoder.widths [256,512] --data.batch_size 128 --data.test_fraction 0 --model.optimizer.lr 0.002 "
    "--model.scheduler.class_path lightning_gen.schedules.ImageSchedule --model.scheduler.learning_rate.class_path "
    "Cosine --model.scheduler.learning_rate.end_images 240000 --max_images 240000 --sample_every_images 240000"
)
"""The layers of the dense autoencoders whose published areas are compared with, 40 epochs of a class."""
WIDTHS = (16, 32)
SCORES = ("reconstruction", "code", "combined")
SECONDS = 70
"""CPU seconds of a training with its three tables, on one core."""
COMMAND = ("detect", "--device", "cpu")


def one_class(folder: Path, label: int, x: torch.Tensor, labels: torch.Tensor) -> Path:
    """The file of the training pictures of a class."""
    path = folder / f"class_{label}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, x[labels == label].numpy())
    return path


def scored(run: Path, score: str, pictures: Path, log: Path) -> tuple[np.ndarray, np.ndarray]:
    """The scores of pictures and whether they are flagged, from the table that ``detect`` writes."""
    table = run / f"{score}.csv"
    if not table.exists():
        program = [sys.executable, "-m", "lightning_gen", *COMMAND]
        call([*program, str(run), str(pictures), "--score", score, "--out", str(table)], log)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    return tuple(np.array([float(row[column]) for row in rows]) for column in ("score", "flagged"))  # type: ignore[return-value]


def trained(folder: Path, label: int, width: int, seed: int, data: Path, log: Path) -> Path:
    """The run of an autoencoder of a class."""
    run = folder / f"class_{label}_width_{width}_seed_{seed}"
    if not (run / "trained.json").exists():
        options = [*RECIPE.split(), "--data", "Tensors", "--data.path", str(data)]
        code = ["--model.bottleneck.latent_dim", str(width), "--seed_everything", str(seed)]
        place = ["--name", run.name, "--runs_dir", str(folder)]
        seconds = call([sys.executable, "-m", "lightning_gen", "fit", *options, *code, *place], log)
        (run / "trained.json").write_text(json.dumps({"cpu_seconds": seconds}))
    return run


def area(scores: np.ndarray, normal: np.ndarray) -> float:
    """The area under the ROC curve of all pictures that are not normal."""
    return detection(torch.from_numpy(scores[normal]), torch.from_numpy(scores[~normal])).auroc


def pca_scores(x: np.ndarray, test: np.ndarray, width: int) -> np.ndarray:
    """The reconstruction errors of test pictures by PCA of training pictures."""
    pca = PCA(width, random_state=0).fit(x)
    return ((pca.inverse_transform(pca.transform(test)) - test) ** 2).mean(1)


def flat(x: torch.Tensor) -> np.ndarray:
    """Pixels in [0, 1], one row a picture."""
    return x.flatten(1).numpy().astype(np.float32) / 255


def main() -> None:
    """Train what is missing, score, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs") / "anomaly", help="folder of runs and tables")
    parser.add_argument("--classes", type=int, nargs="*", default=list(CLASSES), help="the normal classes")
    parser.add_argument("--widths", type=int, nargs="*", default=list(WIDTHS), help="numbers in a code")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument(
        "--choose", action="store_true", help="on the training part of one class alone, no test picture"
    )
    options = parser.parse_args()
    classes = [CHOSEN_ON] if options.choose else options.classes
    runs = len(classes) * len(options.widths) * options.seeds
    print(f"{runs} trainings with three tables each, about {runs * SECONDS / 60:.0f} minutes of one core", flush=True)

    data = FashionMNIST()
    data.prepare_data()
    (x, labels), (test, truth) = data._part(train=True), data._part(train=False)
    if options.choose:  # 1,000 pictures of the class are held out, and 3,000 of other classes are abnormal
        own, others = (labels == CHOSEN_ON).nonzero()[:, 0], (labels != CHOSEN_ON).nonzero()[:, 0][:3000]
        rows = torch.cat([own[5000:], others])
        test, truth = x[rows], labels[rows]
        x, labels = x[own[:5000]], labels[own[:5000]]
    folder = options.folder / ("choose" if options.choose else "test")
    folder.mkdir(parents=True, exist_ok=True)
    pictures, log = folder / "pictures.npy", folder / "anomaly.log"
    np.save(pictures, test.numpy())

    found: dict[str, list[list[float]]] = {}
    alarms: dict[str, list[float]] = {}
    for label in classes:
        normal, own = (truth == label).numpy(), one_class(folder, label, x, labels)
        for width in options.widths:
            errors = pca_scores(flat(x[labels == label]), flat(test), width)
            found.setdefault(f"PCA, {width} numbers", []).append([area(errors, normal)])
            for seed in range(options.seeds):
                run = trained(folder, label, width, seed, own, log)
                for score in SCORES:
                    scores, flagged = scored(run, score, pictures, log)
                    name = f"dense autoencoder, {width} numbers, {score}"
                    if not seed:
                        found.setdefault(name, []).append([])
                    found[name][-1].append(area(scores, normal))
                    alarms.setdefault(name, []).append(float(flagged[normal].mean()))
        print(f"class {label}:", {name: np.mean(each[-1]).round(3).item() for name, each in found.items()}, flush=True)
    cells = []
    for name, areas in found.items():
        over_classes = np.array(areas).mean(0)  # one a seed
        spread = f" ± {over_classes.std(ddof=1):.3f}" if len(over_classes) > 1 else ""
        rate = f"{100 * np.mean(alarms[name]):.1f} %" if name in alarms else gallery.NOTHING
        by_class = " ".join(f"{np.mean(each):.3f}" for each in areas)
        cells.append([name, f"{over_classes.mean():.3f}{spread}", by_class, rate])
    print(gallery.markdown(["", "AUROC", f"of classes {', '.join(map(str, classes))}", "normal ones flagged"], cells))


if __name__ == "__main__":
    main()
