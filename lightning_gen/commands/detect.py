"""The command ``detect``: which samples are unlike those that a model was trained on."""

import csv
import io
import re
import sys
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from lightning_gen.applications.anomaly_scores import SCORES, chosen_score
from lightning_gen.applications.detection_report import detection_report, protocol_of
from lightning_gen.applications.detector import Detector, check_count, check_rate, top_error
from lightning_gen.applications.error_maps import check_maps, write_maps
from lightning_gen.applications.inputs import Inputs, product_names
from lightning_gen.applications.reading import read_inputs
from lightning_gen.applications.trained import Trained
from lightning_gen.commands.output import check_apart, output_file, show, tell
from lightning_gen.commands.samplers import Options, check_sampler, chosen_sampler
from lightning_gen.data.cache import OnError
from lightning_gen.errors import InputError
from lightning_gen.metrics import Measurement, Report
from lightning_gen.outputs import PNG, Kind, check_product, writing
from lightning_gen.paths import written
from lightning_gen.samplers import DENSITIES, SAMPLERS, LatentDensity
from lightning_gen.terminal import say

HEAD = ("name", "score", "p_value", "flagged")
"""The columns of the table."""
TABLE = Kind("table of anomaly scores", ".csv", re.compile(",".join(HEAD).encode()))
DEFAULT, SIMPLEST = "combined", "reconstruction"
"""The score that is taken if none is named, and the one where codes have no density.

The default finds what either of its parts finds. It was chosen without test pictures, on the training part of one class
of Fashion-MNIST (``tests/benchmarks/anomaly.py --choose``): AUROC .865, and .823 by the reconstruction alone.
"""


def detect(
    checkpoint: str,
    inputs: list[str],
    out: str = "scores.csv",
    maps: str | None = None,
    score: str | None = None,
    false_alarms: float = 0.05,
    normal: str | None = None,
    abnormal: str | None = None,
    output: str | None = None,
    sampler: str = "gmm",
    sampler_options: dict[str, Any] | None = None,
    on_error: OnError = "raise",
    device: str = "auto",
    overwrite: bool = False,
) -> None:
    """Score how abnormal samples are to a model that was trained on normal ones, and flag those that are.

    A p-value is the share of normal samples with a score as high. It is measured on normal samples that the model was
    not trained on, the validation split of its data, so no abnormal sample is needed and none decides a threshold.

    Args:
        checkpoint: The checkpoint of an autoencoder, or of a GAN with --score inversion; or the folder of its run.
        inputs: Folders and files, such as pictures or sounds; an array .npy, .npz or .pt; or test, the split
            of the model's data.
        out: A .csv file with the columns name, score, p_value and flagged. Higher scores are more abnormal.
        maps: A folder for one PNG file of each picture: the picture, its reconstruction, and the squared error of each
            pixel, from black to white on one scale for all.
        score: reconstruction, its mean squared error; code, the negative log-density of the code; combined, the sum of
            both, each in its deviations over normal samples; bits, -ELBO in bits less the size as PNG, for models with
            a likelihood and a prior; or inversion, for GANs, the error of the nearest sample that a search of latents
            finds, which takes seconds to minutes for each sample and each normal one. combined if left out, or
            reconstruction where codes have no density.
        false_alarms: The share of normal samples that may be flagged: those with a p-value up to it are.
        normal: A folder or an array of normal samples that the model was not trained on, for the p-values; the
            validation split if left out.
        abnormal: A folder or an array of abnormal samples: the area under the ROC curve and the average precision
            against the held-out normal ones are printed, beside PCA, mean brightness and size as PNG.
        output: A JSON file for the metrics and their protocol.
        sampler: The density of codes: gmm or flow. It is fitted to the training split at its first use, and stored in
            the checkpoint.
        sampler_options: Options of the density, such as --sampler_options.components 3 for gmm. A density of the
            checkpoint that was fitted with others is fitted again.
        on_error: What happens if files cannot be read: raise names them all, skip leaves them out.
        device: Where the model runs, such as cpu or cuda; auto is a GPU if there is one.
        overwrite: Whether an older table, and older maps, may be replaced.

    Raises:
        InputError: The model or the samples cannot be read or do not fit each other, or a file would be lost.
    """
    target, folder, report = written(out), None if maps is None else written(maps), output_file(output, "scores.json")
    if target.suffix != TABLE.ending:
        raise InputError(f"--out {target} is a table: give a name that ends in {TABLE.ending}, such as scores.csv")
    check_product(target, TABLE, overwrite)
    if folder is not None:
        check_product(folder, None, overwrite)
    check_rate(false_alarms)
    chosen = chosen_score(score or DEFAULT)
    trained = Trained.open(checkpoint, device)
    chosen.check(trained)
    if chosen.searches and folder is not None:
        raise InputError("--maps are of reconstructions by an autoencoder, and a GAN has none: leave --maps out")
    if not chosen.searches:
        check_density(trained, sampler, sampler_options)
    scored = told(read_inputs(trained, inputs, on_error))
    held_out = told(read_inputs(trained, normal or split_of(trained, false_alarms, inputs), on_error))
    known = None if abnormal is None else told(read_inputs(trained, abnormal, on_error))
    for each in (scored, held_out, *([] if known is None else [known])):
        each.require_labels()
    check_count(len(held_out), false_alarms)
    if folder is not None:
        check_maps(scored)
        given = [*inputs, *filter(None, (normal, abnormal))]
        check_apart([folder / each for each in product_names(scored.names, PNG.ending)], given)

    if chosen.searches:
        count = len(scored) + len(held_out) + (0 if known is None else len(known))
        say(f"latents are searched for {count:,} samples, which takes seconds to minutes each", sys.stderr)
    name, density = fitted(trained, score, sampler, sampler_options)
    detector = Detector.calibrated(SCORES[name], density, held_out, false_alarms, scored)
    if detector.dropped:
        say(
            f"{detector.dropped:,} held-out samples are among those to be scored and were left out of the comparison",
            sys.stderr,
        )
    scores = detector.scores(scored, "scoring samples")
    p_values = detector.p_values(scores)
    write_table(target, scored, scores, p_values, false_alarms)
    flagged = int((p_values <= false_alarms).sum())
    say(
        f"{flagged:,} of {len(scored):,} samples are flagged, {false_alarms:.3g} of normal ones would be, by the score "
        f"{name} and {len(detector.held_out):,} held-out samples; all are in {target}"
    )
    if folder is not None:
        top = top_error(held_out)
        write_maps(scored, top, folder)
        say(f"maps are in {folder}: black is no error, white a squared error from {top:.3g} of pixels in [0, 1]")
    if known is not None or report is not None:
        words = normal or "the validation split"
        found = summary(flagged, len(scored)) + Report(
            card=protocol_of(detector, trained, name, words, scored, false_alarms)
        )
        if known is not None:
            found += detection_report(detector, trained, held_out, known, false_alarms)
        show(found, report)


def told(inputs: Inputs) -> Inputs:
    """Samples, after what was done to them was printed."""
    tell(inputs.notes)
    return inputs


def split_of(trained: Trained, false_alarms: float, inputs: list[str]) -> str:
    """The split that calibrates where ``--normal`` names nothing else.

    Raises:
        InputError: It is what shall be scored, or the checkpoint names no data.
    """
    if inputs == ["val"]:
        raise InputError(
            "the validation split is what scores are compared with, so it cannot be scored itself: give other samples, "
            "or other normal ones to compare with by --normal FOLDER"
        )
    if "_class_path" not in trained.described_data:
        raise InputError(
            f"{trained.path} does not say what data it was trained on: give normal samples that it was not trained on "
            "with --normal FOLDER"
        )
    return "val"


def check_density(trained: Trained, sampler: str, options: Options) -> None:
    """Check the values of ``--sampler`` and ``--sampler_options``.

    Raises:
        InputError: There is no such sampler, it has no density that was fitted to codes, or it has no such options.
    """
    if sampler in SAMPLERS and sampler not in DENSITIES:
        raise InputError(f"--sampler {sampler} tells no density of a code: take {' or '.join(DENSITIES)}")
    check_sampler(trained.module, sampler, options)


def fitted(trained: Trained, score: str | None, sampler: str, options: Options) -> tuple[str, LatentDensity | None]:
    """The name of the score, and the density that it needs; if none is named, one that the model allows.

    Raises:
        InputError: The score is named, and codes have no such density.
    """
    if not chosen_score(score or DEFAULT).uses_density:
        return score or DEFAULT, None
    try:
        return score or DEFAULT, cast(LatentDensity, chosen_sampler(trained, sampler, options=options))
    except InputError as error:
        if score is not None:
            raise
        say(f"the score is {SIMPLEST}, as the density of codes cannot be fitted: {error}", sys.stderr)
        return SIMPLEST, None


def write_table(target: Path, inputs: Inputs, scores: Tensor, p_values: Tensor, false_alarms: float) -> None:
    """Write names, scores, p-values and whether each sample is flagged, 1 or 0; numbers with all their digits.

    Raises:
        InputError: The file cannot be written.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEAD)
    for name, score, p in zip(inputs.names, scores.tolist(), p_values.tolist(), strict=True):
        table.writerow((name, repr(score), repr(p), int(p <= false_alarms)))
    with writing(target) as file:
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))


def summary(flagged: int, samples: int) -> Report:
    """The share of flagged samples."""
    return Report((Measurement("flagged", flagged / samples, f"share of the {samples:,} samples that are flagged"),))
