"""The command line: LightningCLI's ``fit``, ``validate``, ``test`` and ``predict``, and the verbs beside them."""

import argparse
import errno
import importlib
import inspect
import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, cast

import lightning.pytorch as pl
from jsonargparse import Namespace
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import MisconfigurationException

import lightning_gen
from lightning_gen import checkpoint as checkpoints
from lightning_gen import cluster, paths, recipes, signals
from lightning_gen.callbacks import (
    ChannelsLast,
    Compile,
    ImageCheckpoint,
    ImageProgress,
    LogEveryImages,
    MaxImages,
    NonFiniteGuard,
    PreemptionCheckpoint,
    Report,
    RunFolder,
    RunLogger,
    SampleGrid,
    Throughput,
    best_checkpoint,
    execution,
)
from lightning_gen.callbacks.run import leave_to_caller
from lightning_gen.checks import check_alternating, check_folder, check_trainer
from lightning_gen.command import Command
from lightning_gen.data import DataModule, workers
from lightning_gen.errors import InputError
from lightning_gen.help import EXAMPLES, PROGRAM, VERB_HELP, HelpFormatter, shorten_help
from lightning_gen.links import Links, configured
from lightning_gen.messages import explain
from lightning_gen.reflection import nameless
from lightning_gen.terminal import say
from lightning_gen.training import AlternatingModule, GenerativeModule
from lightning_gen.training.overhead import keep_memory
from lightning_gen.verbs import VERBS

COUNTS = {
    "max_images": (None, "Stop after so many training images, over all devices."),
    "checkpoint_every_images": (
        50_000,
        "Write checkpoints/last.ckpt every so many images, and at the end. best.ckpt is the best in validation: by "
        "val/loss with the weights at which schedules end, for GANs by val/sliced_wasserstein.",
    ),
    "log_every_images": (None, "Log losses every so many images; null for every 50 batches."),
    "sample_every_images": (25_000, "Draw samples every so many images, and at the end."),
}
"""Options that count images: their defaults and their help."""


class Parser(LightningArgumentParser):
    """Says in one sentence what is wrong with a command."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:  # type: ignore[override]
        """Raise the message, cut down to its core, with the nearest valid name."""
        if not self.exit_on_error:  # the parser of a part, inside that of the command
            super().error(message, ex)
        raise told(ex) or InputError(explain(message, self.option_names)) from None

    @property
    def option_names(self) -> list[str]:
        """The names of all options, without dashes, those of the verbs included."""
        own = [name.lstrip("-") for action in self._actions for name in action.option_strings]
        verbs = self._subcommands_action.choices.values() if self._subcommands_action else ()
        return own + [name for verb in verbs for name in verb.option_names]


class CLI(LightningCLI):
    """LightningCLI with runs in fixed folders, lengths in images, and parts that learn of each other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.links = Links()
        super().__init__(*args, **kwargs)

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what a run is called and how long it is."""
        super().add_default_arguments_to_parser(parser)
        run = parser.add_argument_group("Run")
        run.add_argument(
            "--name", type=paths.run_name, default="run", help="Name of the run; default: after its recipes."
        )
        run.add_argument(
            "--runs_dir", type=paths.local, default="runs", help="Folder of all runs; this one lives in RUNS_DIR/NAME."
        )
        for name, (default, text) in COUNTS.items():
            run.add_argument(f"--{name}", type=int | None, default=default, help=text)
        run.add_argument(
            "--checkpoint_every_minutes",
            type=float | None,
            default=5.0,
            help="Write last.ckpt also where so many minutes have gone by without; null for never.",
        )
        run.add_argument(
            "--keep_checkpoints",
            type=int,
            default=1,
            help="How many of the latest states stay; beside last.ckpt they are called images-000150000.ckpt.",
        )
        run.add_argument(
            "--nonfinite_rollbacks",
            type=int,
            default=0,
            help="Times that the run goes back to last.ckpt where a loss or gradient is not finite; 0 to stop there.",
        )
        run.add_argument(
            "--channels_last",
            type=bool | None,
            default=None,
            help="Lay convolutions out with their channels last; null for where it is faster, CPUs and 16 bits.",
        )
        run.add_argument(
            "--compile",
            type=bool | list[str],
            default=False,
            help="Compile the networks: true for all, or a list such as '[generator]'. `bench` says whether it helps.",
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link what one part must know of another."""
        self.links.add(parser)

    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        """Add the verbs that need no Trainer, for ``--help``; `run` calls them without coming here."""
        super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
        for name, parser in self._subcommand_parsers.items():
            shorten_help(parser, name)
        verbs = self.parser._subcommands_action
        assert verbs is not None
        for choice in verbs._choices_actions:
            choice.help = VERB_HELP[choice.dest]
        for name, verb in VERBS.items():
            verbs.add_subcommand(name, verb_parser(name, verb), help=first_line(verb))

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Complete what the user typed, then parse it."""
        words = list(args)
        if not words:
            words = ["--help"]
        if words[0] in self._subcommand_parsers:
            known = {name.split(".")[0] for name in cast(Parser, self._subcommand_parsers[words[0]]).option_names}
            command = Command(words, sorted(known - {"h", "help", "c", "config", "print_config"}))
            self.goes_on = command.goes_on
            words = command.complete()
        self.config = parser.parse_args(words)

    def _parse_ckpt_path(self) -> None:
        """Nothing: what a checkpoint says of itself lies under what the user says already."""

    @property
    def settings(self) -> Namespace:
        """The parsed settings of the verb."""
        return self.config[self.config.subcommand]

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.settings.runs_dir) / self.settings.name

    def _set_seed(self) -> None:
        """Seed everything, after the settings were checked."""
        self.check()
        super()._set_seed()

    def check(self) -> None:
        """Check what can be checked before anything is built or written."""
        for name in COUNTS:
            if self.settings[name] is not None and self.settings[name] < 1:
                raise InputError(f"--{name} must be at least 1, not {self.settings[name]}")
        check_trainer(self.settings.trainer)
        if self.config.subcommand == "fit" and not self.settings.trainer.fast_dev_run:
            model = self.settings.model.class_path
            check_folder(self.folder, self.settings.ckpt_path, self.goes_on, model)

    def instantiate_classes(self) -> None:
        """Build what the command describes; its data were built when the networks asked for their shape."""
        described = self.config.clone()
        described[described.subcommand].data = self.links.built(self.settings.data)
        self.config_init = self.parser.instantiate_classes(described)
        self.datamodule, self.model = self._get(self.config_init, "data"), self._get(self.config_init, "model")
        self.trainer = self.instantiate_trainer()

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The Trainer with the callbacks of every run, a logger in the run's folder, and checkpoints written whole."""
        settings = self.config_init[self.config_init.subcommand]
        trainer, fits = settings.trainer, self.config.subcommand == "fit"
        if fits and settings.max_images is not None and trainer.max_epochs is None:
            kwargs["max_epochs"] = -1
        if trainer.logger in (None, True):
            run = RunLogger(settings.runs_dir, settings.name, version="", default_hp_metric=False)
            kwargs["logger"] = run if fits and not trainer.barebones else False
        callbacks = list(self._callbacks(settings))
        kwargs["callbacks"] = [*as_list(trainer.callbacks), *callbacks]
        if trainer.default_root_dir is None:
            kwargs["default_root_dir"] = str(self.folder)  # where Lightning looks for what another SLURM job has left
        if isinstance(self.model, AlternatingModule):
            check_alternating(trainer)
        if not any(isinstance(callback, ImageCheckpoint) for callback in callbacks):
            kwargs["enable_checkpointing"] = False
        try:
            plugins = as_list(trainer.plugins)
            kwargs["plugins"] = [*plugins, checkpoints.WholeCheckpointIO(), *cluster.environment(plugins)]
            built = super().instantiate_trainer(**kwargs)
            cluster.check_launch(built)
        except (
            ValueError,
            RuntimeError,
        ) as error:  # Lightning's own sentence on devices and strategies that do not fit
            raise InputError(str(error)) from error
        if fits and isinstance(built.accelerator, CPUAccelerator):
            keep_memory()
        return built

    def _callbacks(self, settings: Namespace) -> Iterator[Callback]:
        """The callbacks of every run; a trial with ``fast_dev_run`` or ``barebones`` writes nothing."""
        barebones = settings.trainer.barebones
        if settings.trainer.enable_progress_bar is not False and not barebones:
            yield ImageProgress()
        if self.config.subcommand != "fit":
            return
        writes = not (settings.trainer.fast_dev_run or barebones)
        keeps = writes and settings.trainer.enable_checkpointing is not False
        folder = self.folder / "checkpoints"
        guard = NonFiniteGuard(settings.nonfinite_rollbacks)
        yield guard
        yield ChannelsLast(settings.channels_last)
        if settings.compile:
            yield Compile(settings.compile)
        if settings.max_images is not None:
            yield MaxImages(settings.max_images)
        if settings.log_every_images is not None:
            yield LogEveryImages(settings.log_every_images)
        if not writes:
            return
        yield Throughput()
        recipe = self.settings.clone()
        recipe.ckpt_path = None  # it starts a run like this one, and does not go on from this one's checkpoint
        text = self._subcommand_parsers["fit"].dump(recipe, skip_unset=False)
        yield RunFolder(self.folder, text)
        yield SampleGrid(settings.sample_every_images, self.folder / "samples")
        if keeps:
            yield best_checkpoint(self.model, folder)
            last = ImageCheckpoint(
                settings.checkpoint_every_images,
                folder,
                settings.keep_checkpoints,
                guard,
                settings.checkpoint_every_minutes,
            )
            yield last
            yield PreemptionCheckpoint(last)
        yield Report(self.folder)


def as_list(value: Any) -> list[Any]:
    """What an option holds that takes one thing, several or none."""
    return value if isinstance(value, list) else [] if value is None else [value]


# running ------------------------------------------------------------------------------------------------------------


def verb_parser(name: str, verb: Callable[..., None]) -> Parser:
    """The parser of a verb that needs no Trainer."""
    parser = Parser(prog=f"{PROGRAM} {name}", description=first_line(verb), allow_abbrev=False)
    parser.add_function_arguments(verb, as_positional=True)
    return parser


def first_line(function: Callable[..., None]) -> str:
    """The first sentence of a docstring."""
    return (function.__doc__ or "").strip().splitlines()[0]


def told(error: BaseException | None) -> InputError | None:
    """The sentence for the user inside an error that a library has wrapped around it."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error


def import_named(words: list[str]) -> list[str]:
    """Import the modules that ``--import`` names, such as those of a user's own parts; returns the other words.

    This is how a user says that checkpoints may name the classes of a module.

    Raises:
        InputError: There is no such module.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--import", action="append", default=[], dest="modules")
    known, others = parser.parse_known_args(words)
    for name in known.modules:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise InputError(f"--import {name}: {error}; run from the folder that holds it, or install it") from error
        checkpoints.trust(name)
    return others


def run(words: list[str]) -> None:
    """Run one command.

    Args:
        words: The command line after the program's name.

    Raises:
        InputError: It cannot be done as asked.
    """
    check_files(words)
    words = import_named(words)
    if not words or words[0] not in VERBS:
        lightning(words)
        return
    verb = VERBS[words[0]]
    parser = verb_parser(words[0], verb)
    rest = nameless(verb)
    own, others = (words[1:], []) if rest is None else parted(words[1:], parser.option_names)
    given = vars(parser.parse_args(own))
    call = inspect.signature(verb).bind_partial(
        **{name: configured(value) if isinstance(value, Namespace) else value for name, value in given.items()}
    )
    if rest is not None:
        call.arguments[rest] = others
    verb(*call.args, **call.kwargs)


def check_files(words: Sequence[str]) -> None:
    """Check the YAML files that options are given, before jsonargparse reads them without a bound.

    Raises:
        InputError: One stands for more than could be held.
    """
    for word in words:
        path = Path(word.split("=", 1)[-1])
        if path.suffix in (".yaml", ".yml") and path.is_file():
            recipes.load(path)


def parted(words: Sequence[str], known: Collection[str]) -> tuple[list[str], list[str]]:
    """Part a verb's own words from options that it does not know, each with its value."""
    own: list[str] = []
    others: list[str] = []
    takes = own
    for word in words:
        option = re.match("--?[a-z]", word) is not None
        if option:
            takes = own if word.lstrip("-").split("=")[0] in known else others
        takes.append(word)
        if not option or "=" in word:
            takes = own
    return own, others


def lightning(words: list[str]) -> CLI:
    """Run one of Lightning's verbs; returns what was built for it.

    Args:
        words: The command line after the program's name.

    Raises:
        InputError: It cannot be done as asked.
    """
    verbs = [*CLI.subcommands(), *VERBS]
    if words and not words[0].startswith("-") and words[0] not in verbs:
        raise InputError(
            f"there is no verb '{words[0]}'{recipes.suggest(words[0], verbs)}: the verbs are {', '.join(verbs)}"
        )
    options = {"allow_abbrev": False, "formatter_class": HelpFormatter}
    top = {
        "prog": PROGRAM,
        "version": lightning_gen.__version__,
        "description": lightning_gen.__doc__,
        "epilog": EXAMPLES,
    }
    verbs_kwargs = {verb: {**options, "description": text} for verb, text in VERB_HELP.items()}
    return CLI(
        GenerativeModule,
        DataModule,
        save_config_callback=None,
        trainer_defaults={"enable_model_summary": False},  # Report says it in a line
        seed_everything_default=0,
        subclass_mode_model=True,
        subclass_mode_data=True,
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
        parser_class=Parser,
        parser_kwargs={**options, **top, **verbs_kwargs},
        args=words,
    )


def quieten() -> None:
    """Leave out what Lightning says about itself; warnings about what the user does remain."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",  # the data are in memory
        ".*GPU available but not used.*",
        ".*`srun` command is available.*",  # a machine of a cluster on which something is tried out
        ".*is smaller than the logging interval.*",
        ".*in eval mode at the start of training.*",  # the averaged generator, on purpose
        ".*Checkpoint directory .* exists and is not empty.*",  # a run that goes on
        ".*Be aware that when using `ckpt_path`.*",
        ".*could not find the monitored key.*",  # best.ckpt waits for the first validation
        ".*LeafSpec.*",  # Lightning's own use of torch
        "(?s).*JsonargparseDeprecationWarning.*",  # and of jsonargparse
        "(?s).*deprecated in v4.*",
    ):
        warnings.filterwarnings("ignore", text)
    threading.excepthook = leave_to_caller


def main(args: Sequence[str] | None = None) -> None:
    """The entry of ``python -m lightning_gen``.

    Args:
        args: The command line after the program's name; None for that of the process.

    Raises:
        SystemExit: With the status of the error, after one sentence on stderr, where the command cannot be done as
            asked: 2, or 1 for a run that went wrong on its way; 75 where a signal asked it to leave, 130 for Ctrl-C.
    """
    quieten()
    try:
        with signals.leaving():
            run(list(sys.argv[1:] if args is None else args))
    except signals.LeftEarly as left:
        tell("interrupted" if left.code == signals.INTERRUPTED else "asked to leave: start the same command again")
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            refuse(f"the disk is full ({error}): free some disk space, or put the runs elsewhere with --runs_dir")
        own = told(error) or workers.failure(error)
        if own is not None:
            refuse(str(own), own.status)
        sentence = error if isinstance(error, MisconfigurationException) else trouble(error)
        if sentence is None:
            raise
        refuse(str(sentence))


def trouble(error: Exception) -> str | None:
    """What an error of torch means, in one sentence; None for those that nobody has met."""
    return cluster.trouble(error) or execution.trouble(error)


def refuse(sentence: str, status: int = InputError.status) -> NoReturn:
    """Print what is wrong, once for all processes of a run, and exit."""
    tell(f"error: {sentence}")
    raise SystemExit(status)


def tell(sentence: str) -> None:
    """Print a line on stderr unless another process of the run has; one that nobody can read is no reason to fail."""
    line = " ".join(sentence.split())
    if cluster.tells(line):
        with suppress(OSError):
            say(line, sys.stderr)
