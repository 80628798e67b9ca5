"""The command ``export``: a trained model for other programs."""

from collections.abc import Callable
from pathlib import Path

import torch

from lightning_gen.applications.evaluations import read_report
from lightning_gen.applications.interchange import require_safetensors, save_file, save_folder
from lightning_gen.applications.model_card import Report, evaluation_beside, model_card
from lightning_gen.applications.programs import (
    COMPARED,
    Part,
    Run,
    difference,
    part_named,
    parts_of,
    require_onnx,
    run_onnx,
    run_program,
    to_onnx,
    to_program,
)
from lightning_gen.applications.reading import read_inputs
from lightning_gen.applications.trained import Trained
from lightning_gen.contexts import evaluating
from lightning_gen.errors import InputError
from lightning_gen.outputs import ONNX, PROGRAM, SAFETENSORS, check_product, writing
from lightning_gen.paths import expanded, written
from lightning_gen.records import Batch
from lightning_gen.terminal import say

README = "README.md"
"""The file of the model card."""


def export(
    checkpoint: str,
    out: str = "exported",
    part: str | None = None,
    card: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write a trained model for other programs: weights and their description, an ONNX model, or a program of torch.

    A folder holds what sampling, encoding and decoding need, the averaged networks where there are any, in safetensors
    with a description and a README; lightning_gen.applications.load(folder) gives the model back. An ONNX model or a
    program of torch.export is one network for batches of any size, without noise; it is compared with the model on
    samples of the test split before it is written.

    Args:
        checkpoint: A checkpoint, such as runs/dcgan/checkpoints/last.ckpt, or the folder of its run, runs/dcgan.
        out: A folder, or a file ending in .safetensors, .onnx or .pt2.
        part: The network in an .onnx or .pt2 file: encoder (samples to codes, and to indices of codebooks), decoder
            (codes to samples) or generator (latents to samples).
        card: The evaluation in the README of a folder, a file that evaluate --output wrote; the latest one beside the
            checkpoint if left out.
        overwrite: Whether files may be replaced.

    Raises:
        InputError: The checkpoint cannot be read, has no such part, or cannot be exported.
    """
    target = written(out)
    if target.suffix in PROGRAMS:
        kind, make, run = PROGRAMS[target.suffix]
        check_product(target, kind, overwrite)
        if card is not None:
            raise InputError(f"--card is the README of a folder and {target} is a file: leave it out")
        if kind is ONNX:
            require_onnx()
        trained = Trained.open(checkpoint)
        with evaluating(trained.module):
            program(trained, target, part, make, run)
        return
    single = target.suffix == SAFETENSORS.ending
    if part is not None:
        raise InputError(f"--part is for {' and '.join(PROGRAMS)} files, and {target} holds all parts: leave it out")
    if target.suffix and not single and not target.is_dir():
        endings = ", ".join((SAFETENSORS.ending, *PROGRAMS))
        raise InputError(f"--out {target} ends in {target.suffix}: give a folder, or a name that ends in {endings}")
    if card is not None and single:
        raise InputError(f"--card is the README of a folder and {target} is a file: leave it out")
    check_product(target, SAFETENSORS if single else None, overwrite)
    require_safetensors()
    report = None if card is None else read_report(expanded(card))
    trained = Trained.open(checkpoint)
    if single:
        save_file(trained.module, target, trained.described_data)
        say(f"written to {target}")
    else:
        folder(trained, target, report)


def folder(trained: Trained, target: Path, report: Report | None) -> None:
    """Write a folder."""
    found = evaluation_beside(Path(trained.path)) if report is None else None
    report = read_report(found) if found is not None else report
    save_folder(trained.module, target, trained.described_data)
    with writing(target / README) as file:
        file.write(model_card(trained, report).encode())
    figures = f", with the figures of {found}" if found is not None else ", without figures" if report is None else ""
    say(f"written to {target}{figures}: lightning_gen.applications.load({str(target)!r}) gives the model back")


def program(
    trained: Trained,
    target: Path,
    name: str | None,
    make: Callable[[Part], bytes],
    run: Callable[[bytes], Run],
) -> None:
    """Write a part as a program, after it was compared with the module.

    Raises:
        InputError: There is no such part, it cannot be exported, or it computes something else.
    """
    part_named(parts_of(trained.module, Batch(torch.zeros(2, *trained.module.data_shape), scaled=True)), name)
    batch, source = compared_samples(trained)
    part = part_named(parts_of(trained.module, batch), name)
    content = make(part)
    found = difference(part, run(content))
    if not found.is_small:
        others = [ending for ending in PROGRAMS if ending != target.suffix]
        raise InputError(
            f"{target} would give other {part.results[0]} than the model ({found}) and was not written: export "
            f"{others[0]} instead"
        )
    with writing(target) as file:
        file.write(content)
    say(f"written to {target}: {part.signature}; samples are {trained.medium.unit}")
    say(f"differs from the model by at most {found}, on {len(batch.x)} {source}")


def compared_samples(trained: Trained) -> tuple[Batch, str]:
    """Samples for which a program is compared with the module, and what they are: of the test split if it is there."""
    module, source = trained.module, torch.Generator().manual_seed(0)
    if module.translates:
        return Batch(torch.zeros(COMPARED, *module.data_shape), scaled=True), "sources of noise"
    if not module.reconstructs:
        return Batch(torch.zeros(COMPARED, *module.data_shape), scaled=True), "latents of the prior"
    try:
        first = next(read_inputs(trained, "test").batches())
        labels = None if first.labels is None else first.labels[:COMPARED]
        return Batch(first.x[:COMPARED], labels, scaled=first.scaled), "samples of the test split"
    except InputError:  # data that are no longer there
        pass
    if module.has_prior:
        return Batch(
            module.sample(COMPARED, generator=source), scaled=True
        ), "samples of the model, as its data are not here"
    noise = torch.rand(COMPARED, *module.data_shape, generator=source) * 2 - 1
    return Batch(noise, scaled=True), "samples of noise, as its data are not here"


PROGRAMS = {".onnx": (ONNX, to_onnx, run_onnx), ".pt2": (PROGRAM, to_program, run_program)}
"""Kind, maker and runner of programs, by the endings of their files."""
