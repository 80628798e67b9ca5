"""The text of ``--help``, shortened to the options that are common."""

import argparse
import re
import textwrap

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from lightning_gen import private
from lightning_gen.cli import recipes

PROGRAM = "python -m lightning_gen"
COMMAND_HELP = {
    "fit": "Train a model.",
    "validate": "Measure a checkpoint on the validation split, as training does.",
    "test": "Measure a checkpoint on the test split, as training does.",
    "predict": "Write what a checkpoint predicts for the test split: reconstructions, or samples of a GAN.",
}

COMMON = {
    "accelerator", "devices", "num_nodes", "strategy", "precision", "max_epochs", "max_steps", "max_time",
    "fast_dev_run", "overfit_batches",
    "limit_train_batches", "limit_val_batches", "check_val_every_n_epoch", "log_every_n_steps",
    "callbacks", "logger", "profiler", "detect_anomaly", "gradient_clip_val", "accumulate_grad_batches",
}  # fmt: skip
"""The Trainer's arguments that ``--help`` shows; all of them work."""

TITLES = {
    "model": "Model (`--model.help CLASS` lists what a class takes)",
    "data": "Data (`--data.help CLASS` lists what a class takes)",
    "trainer": "Trainer (the common ones; all: https://lightning.ai/docs/pytorch/stable/common/trainer.html)",
    "ckpt_path": "Checkpoint",
}
HELP = {
    "config": "A recipe, by short name (gan/dcgan) or path; of several, each overrides those before it.",
    "ckpt_path": "A checkpoint to start from; `last` for that of the run's folder. Options and recipes override it.",
    "weights_only": argparse.SUPPRESS,
}

OUT = (
    "A file ending in .npy for an array, in .png for one image, or a folder of PNG files; null for predictions.npy in "
    "the folder of the run."
)
IMPORT = "--import MODULE imports a Python module first, whose classes the command and checkpoints may then name."
"""The last line of each command's ``--help``; `imports.import_named` reads the option before any parser does."""

EXAMPLES = f"""
examples:
  train the default recipe, a GAN on digits
    {PROGRAM} fit
  another recipe, on other data, for longer
    {PROGRAM} fit --config autoencoder/vae --config data/fashion_mnist --max_images 500_000
  your own images
    {PROGRAM} fit --data ImageFolder --data.folder PATH --data.size 64
  one part or number changed
    {PROGRAM} fit --config gan/dcgan --model.objective Hinge --model.generator.width 64
  resume that run where it stopped
    {PROGRAM} fit --config gan/dcgan --ckpt_path last
  draw samples from a trained model
    {PROGRAM} sample runs/dcgan/checkpoints/last.ckpt --n 64
  how fast a recipe trains on this machine, and what would make it faster
    {PROGRAM} bench gan/dcgan
  a checkpoint that holds a class of your own, defined in my_parts.py
    {PROGRAM} sample runs/dcgan/checkpoints/last.ckpt --import my_parts

recipes and parts for --config:
{textwrap.fill(", ".join(recipes.names()), 110, initial_indent="  ", subsequent_indent="  ")}
"""


class HelpFormatter(DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the examples, and shows the type of an option that a function checks as ``str``."""

    def _expand_help(self, action: argparse.Action) -> str:
        return re.sub(r"<function \w+ at \w+>", "str", super()._expand_help(action))


def shorten_help(parser: ArgumentParser, command: str) -> None:
    """Shorten ``--help``: one line of usage, the Trainer last and only its common arguments."""
    parser.usage = f"{PROGRAM} {command} [--config RECIPE]... [--OPTION VALUE]..."
    parser.epilog = IMPORT
    for group, options in private.option_groups(parser):
        linked = group.title == "Linked arguments"
        for action in options:
            place, _, name = action.dest.partition(".")
            action.help = HELP.get(action.dest, action.help)
            if linked or (place == "trainer" and name and name not in COMMON):
                action.help = argparse.SUPPRESS
            elif action.dest.split(".")[0] in TITLES:
                group.title = TITLES[action.dest.split(".")[0]]
    private.sort_option_groups(parser, key=lambda group: group.title == TITLES["trainer"])
