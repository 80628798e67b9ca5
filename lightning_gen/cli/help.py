"""The text of ``--help``, shortened to the options that are common."""

import argparse
import re
import textwrap

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from lightning_gen import private
from lightning_gen.cli import recipes
from lightning_gen.cli.arguments import Arguments
from lightning_gen.cli.options import RUN_TITLE

ARGUMENTS = Arguments()
"""The arguments of a command that describes no parts."""
PROGRAM = "python -m lightning_gen"
COMMAND_HELP = {
    "fit": "Train a model.",
    "validate": "Measure a checkpoint on the validation split, as training does.",
    "test": "Measure a checkpoint on the test split, as training does.",
    "predict": "Write what a checkpoint predicts for the test split: reconstructions, or samples of a GAN. The command "
    "`reconstruct` takes any pictures, keeps their names and measures their errors.",
}

RUN = {"name", "runs_dir"}
"""The options of a run that ``--help`` shows for every command; the others are those of `fit`."""
MACHINE = {"accelerator", "devices", "precision", "callbacks", "profiler"}
"""The Trainer's arguments that ``--help`` shows for every command; all others work too."""
TRAINER = {
    "fit": {
        "num_nodes", "strategy", "logger", "max_epochs", "max_steps", "max_time", "fast_dev_run",
        "limit_train_batches", "limit_val_batches", "val_check_interval", "check_val_every_n_epoch",
        "log_every_n_steps", "accumulate_grad_batches", "gradient_clip_val", "detect_anomaly",
    },
    "validate": {"num_nodes", "strategy", "limit_val_batches"},
    "test": {"num_nodes", "strategy", "limit_test_batches"},
    "predict": {"limit_predict_batches"},
}  # fmt: skip
"""Those that it shows beside them, by command."""

TITLES = {
    "model": "Model (`--model.help` lists what the recipe's class takes, `--model.help CLASS` another)",
    "data": "Data (`--data.help` lists what the recipe's class takes, `--data.help CLASS` another)",
    "trainer": "Trainer (the common ones; all: https://lightning.ai/docs/pytorch/stable/common/trainer.html)",
    "ckpt_path": "Checkpoint",
}
HELP = {
    "config": "A recipe, by short name or path; later ones win.",
    "print_config": "Print the whole configuration as YAML and exit.",
    "seed_everything": "Seed, but for --data.seed; true: a random one.",
    "model": "The class of the model; its arguments are --model.ARGUMENT VALUE.",
    "data": "The class of the data; its arguments are --data.ARGUMENT VALUE.",
    "sampler.help": argparse.SUPPRESS,
    "ckpt_path": "A checkpoint; `last` is the run's. Options win over it.",
    "weights_only": argparse.SUPPRESS,
    "return_predictions": argparse.SUPPRESS,
    "trainer.val_check_interval": "How often to check the validation set: a number of batches, a share of the epoch "
    "such as 0.5, or a time as DD:HH:MM:SS. Beyond the epoch it needs --trainer.check_val_every_n_epoch null.",
    "trainer.check_val_every_n_epoch": "Check the validation set after every so many epochs; null to check it only by "
    "--trainer.val_check_interval.",
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
    {PROGRAM} fit --config gan/projected --data.folder PATH --data.size 64
  what is in your folder of images, and the command that suits it and an hour of this machine
    {PROGRAM} doctor PATH
  one part or number changed
    {PROGRAM} fit --config gan/dcgan --model.objective Hinge --model.generator.width 64
  resume a run where it stopped
    {PROGRAM} fit --name projection --ckpt_path last
  from picture to picture: colours for grey ones, learned from a folder of colour pictures
    {PROGRAM} fit --config translation/colorize --data.folder PATH

recipes and parts for --config:
{textwrap.fill(", ".join(recipes.names()), 110, initial_indent="  ", subsequent_indent="  ")}
"""


def readable(text: str) -> str:
    """A docstring's text without its markup, in one line.

    >>> readable("What :class:`~torch.optim.Adam` does with ``lr``")
    'What `Adam` does with `lr`'
    """
    text = re.sub(r":\w+:`~[\w.]*?(\w+)`", r"`\1`", text)
    text = re.sub(r":(?:\w+:)?\w+:`([^`]*)`", r"`\1`", text)
    return " ".join(text.replace("``", "`").split())


class HelpFormatter(DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the examples, names classes without their modules, and only those that can be given.

    The type of an option that a function checks is shown as ``str``.
    """

    def _expand_help(self, action: argparse.Action) -> str:
        text = re.sub(r"<function \w+ at \w+>", "str", readable(super()._expand_help(action)))
        argument = ARGUMENTS.at(action.dest)
        if argument is None or not argument.choices:
            return text
        return re.sub(r"known subclasses: .*\)$", f"classes: {', '.join(sorted(argument.choices))})", text)


def shorten_help(parser: ArgumentParser, command: str) -> None:
    """Shorten ``--help``: one line of usage, the Trainer last, and only what is common in a command and works in it."""
    parser.usage = f"{PROGRAM} {command} [--config RECIPE]... [--OPTION VALUE]..."
    parser.epilog = IMPORT
    for group, options in private.option_groups(parser):
        for action in options:
            place, _, name = action.dest.partition(".")
            of_trainer = place == "trainer" and name not in MACHINE | TRAINER[command]
            of_fit = group.title == RUN_TITLE and command != "fit" and place not in RUN
            if group.title == "Linked arguments" or of_trainer or of_fit:
                action.help = argparse.SUPPRESS
                continue
            action.help = HELP.get(action.dest, action.help)
            group.title = TITLES.get(place, group.title)
    private.sort_option_groups(parser, key=lambda group: group.title == TITLES["trainer"])
