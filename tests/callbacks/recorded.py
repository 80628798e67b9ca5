"""Runs of the command line on tiny settings, and the content of their folders as TensorBoard reads it."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from lightning_gen.cli import main

DIGITS = ("--data.size=8", "--log_every_images=64", "--sample_every_images=128", "--trainer.accelerator=cpu")
PENALTY = '--model.penalties={"r1": {"class_path": "R1", "init_args": {"weight": 0.5}}}'
NETWORKS = {
    "gan/dcgan": (
        "--model.generator.width=4",
        "--model.discriminator.width=4",
        "--model.discriminator.batch_norm=false",
    ),
    "autoencoder/vae": ("--model.encoder.width=4", "--model.decoder.width=4"),
}


def fit(runs: Path, name: str, recipe: str, images: int, *words: str) -> Path:
    """Train `recipe`, one of `NETWORKS` with these, for so many images; returns the run's folder."""
    small = (*DIGITS, *NETWORKS.get(recipe, ()), f"--max_images={images}", f"--runs_dir={runs}", f"--name={name}")
    main(["fit", "--config", recipe, *small, *words])
    return runs / name


def events(folder: Path) -> EventAccumulator:
    """Everything that the event files of a folder hold."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    found.Reload()
    return found


def steps(found: EventAccumulator, tag: str) -> list[int]:
    """The x-axis of a scalar."""
    return [event.step for event in found.Scalars(tag)]


def hparams(found: EventAccumulator) -> dict[str, object]:
    """The settings that the HPARAMS tab shows."""
    content = found.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    values = metadata.parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in values.items()}
