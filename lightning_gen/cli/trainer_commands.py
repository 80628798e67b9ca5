"""The commands that run a Trainer: ``fit``, ``validate``, ``test`` and ``predict``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
from jsonargparse import Namespace
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.callbacks import BasePredictionWriter, Checkpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger
from torch import nn

import lightning_gen
from lightning_gen import checkpoint as checkpoints
from lightning_gen import private, recording
from lightning_gen.cli import launch
from lightning_gen.cli.argv import CommandLine
from lightning_gen.cli.callbacks import run_callbacks
from lightning_gen.cli.causes import first_cause
from lightning_gen.cli.checks import check_settings
from lightning_gen.cli.folders import check_folder
from lightning_gen.cli.help import COMMAND_HELP, EXAMPLES, OUT, PROGRAM, HelpFormatter, shorten_help
from lightning_gen.cli.links import Links, check_arguments
from lightning_gen.cli.loggers import forget_place, other_loggers, run_loggers
from lightning_gen.cli.options import add_run_options
from lightning_gen.cli.parser import Parser, PartFailed, command_parser, first_line
from lightning_gen.cli.part_help import part_asked, part_help
from lightning_gen.cli.predictions import PredictionFile, place
from lightning_gen.cli.suggestions import command_meant
from lightning_gen.commands import COMMANDS
from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.memory import Budget
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule
from lightning_gen.training.overhead import keep_memory


class CLI(LightningCLI):
    """LightningCLI with runs in fixed folders, lengths in images, and arguments that follow from other parts.

    Args:
        only: The command that the command line names; no parser is built for the others. None for all of them.
    """

    def __init__(self, *args: Any, only: str | None = None, **kwargs: Any) -> None:
        self.links = Links()
        self._only = only
        super().__init__(*args, **kwargs)

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The commands that a parser is built for, and the arguments of the Trainer's methods that they leave out."""
        every = LightningCLI.subcommands()
        return every if self._only is None else {self._only: every[self._only]}

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of a run, such as its name and its length."""
        super().add_default_arguments_to_parser(parser)
        add_run_options(parser)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link the arguments that follow from other parts, and record with what plain modules are built."""
        self.links.add(parser)
        parser.add_instantiator(recording.built, class_type=nn.Module)

    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        """Add the commands that need no Trainer, for ``--help``; `dispatch.run` calls them directly."""
        super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
        if (predict := self._subcommand_parsers.get("predict")) is not None:
            predict.add_argument("--out", type=str | None, default=None, help=OUT)
        for name, parser in self._subcommand_parsers.items():
            shorten_help(parser, name)
        commands = private.commands_action(self.parser)
        for choice in private.command_entries(commands):
            choice.help = COMMAND_HELP[choice.dest]
        for name, command in COMMANDS.items() if self._only is None else ():
            commands.add_subcommand(name, command_parser(name, command), help=first_line(command))

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Complete the user's command line, then parse it."""
        argv = list(args) or ["--help"]
        if argv[0] in self._subcommand_parsers:
            known = {name.split(".")[0] for name in cast(Parser, self._subcommand_parsers[argv[0]]).option_names}
            command = CommandLine(argv, sorted(known - {"h", "help", "c", "config", "print_config"}))
            self.resumes = command.resumes
            argv = command.complete()
            if (asked := part_asked(command.options)) is not None:
                say(part_help(asked, command.arguments, f"{command.command} [--config RECIPE]..."))
                raise SystemExit
            for each in (parser, self._subcommand_parsers[argv[0]]):
                cast(Parser, each).arguments = command.arguments
        try:
            self.config = parser.parse_args(argv)
            return
        except PartFailed as failed:
            cause = first_cause(failed)
        raise cause

    def _parse_ckpt_path(self) -> None:
        """Do nothing: `CommandLine.complete` has added what the checkpoint describes, below the user's settings."""

    @property
    def settings(self) -> Namespace:
        """The parsed settings of the command."""
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
        """Check the settings before anything is built or written."""
        check_settings(self.config.subcommand, self.settings)
        for part in (self.settings.model, self.settings.data):
            check_arguments(part)
        if self.config.subcommand == "fit" and not self.settings.trainer.fast_dev_run:
            model = self.settings.model.class_path
            named = (self.settings.runs_dir, self.settings.name)
            check_folder(*named, self.settings.ckpt_path, self.resumes, model)

    def instantiate_classes(self) -> None:
        """Build the model, the data and the Trainer; the data may be built already, for links that read their shape."""
        described = self.config.clone()
        described[described.subcommand].data = self.links.built(self.settings.data)
        trainer = described[described.subcommand].trainer
        if not isinstance(trainer.logger, bool):
            trainer.logger = None  # `loggers` builds them
        for name in ("callbacks", "plugins"):  # for one alone jsonargparse forgets the error of its constructor
            trainer[name] = as_list(trainer[name]) or None
        with Budget("the model"):
            self.config_init = self.instantiated(described)
        self.datamodule, self.model = self._get(self.config_init, "data"), self._get(self.config_init, "model")
        self.trainer = self.instantiate_trainer()

    def instantiated(self, described: Namespace) -> Namespace:
        """The parts of a command, built.

        Raises:
            Exception: The error of a constructor, which jsonargparse wraps in its own.
        """
        try:
            return self.parser.instantiate_classes(described)
        except ValueError as error:
            failed = first_cause(error)
        raise failed

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The Trainer with the callbacks of every run, a logger in the run's folder, and atomic checkpoint files."""
        settings = self.config_init[self.config_init.subcommand]
        trainer, fits = settings.trainer, self.config.subcommand == "fit"
        if fits and settings.max_images is not None and trainer.max_epochs is None:
            kwargs["max_epochs"] = -1
        kwargs["logger"] = list(self.loggers(fits)) or False
        given = as_list(trainer.callbacks)
        kwargs["callbacks"] = [*given, *run_callbacks(settings, given, self.folder, self.model, self.recipe, fits)]
        own_writer = any(isinstance(callback, BasePredictionWriter) for callback in given)
        if self.config.subcommand == "predict" and not (trainer.fast_dev_run or own_writer):
            kwargs["callbacks"].append(PredictionFile(place(settings.out, settings.ckpt_path)))
        if trainer.default_root_dir is None:
            kwargs["default_root_dir"] = str(self.folder)  # where Lightning looks for checkpoints of earlier SLURM jobs
        self.model.check_trainer(trainer)
        if not any(isinstance(callback, Checkpoint) for callback in kwargs["callbacks"]):
            kwargs["enable_checkpointing"] = False
        plugins = as_list(trainer.plugins)
        kwargs["plugins"] = [*plugins, checkpoints.AtomicCheckpointIO(), *launch.environment(plugins)]
        built = super().instantiate_trainer(**kwargs)
        launch.check_launch(built)
        if fits and isinstance(built.accelerator, CPUAccelerator):
            keep_memory()
        return built

    def loggers(self, fits: bool) -> Iterator[Logger]:
        """The loggers of the command: of `fit`, TensorBoard and those that the user names, unless that is none."""
        chosen = self.settings.trainer.logger
        given = [] if isinstance(chosen, bool) else as_list(chosen)
        if chosen is False or (self.settings.trainer.barebones and not given):
            return iter(())
        if fits:
            return run_loggers(given, self.folder, self.settings.name)
        state = Path(self.settings.ckpt_path or "")
        folder = state.parent.parent if state.parent.name == checkpoints.FOLDER else self.folder
        return other_loggers(given, folder / self.config.subcommand, folder.name)

    def recipe(self) -> str:
        """The whole configuration as YAML: it starts a run like this one, without its checkpoint."""
        settings = self.settings.clone()
        settings.ckpt_path = None
        for part in as_list(settings.trainer.logger):
            forget_place(part)
        return self._subcommand_parsers["fit"].dump(settings, skip_unset=False)


def stands_alone(argv: Sequence[str]) -> bool:
    """Whether options may stand before a command: help, the version, and a file of the settings of all commands."""
    first, *rest = [part for word in argv for part in word.split("=", 1)]
    of_all = first in ("-c", "--config") and Path(rest[0] if rest else "").is_file()
    return of_all or first in ("-h", "--help", "--version", "--print_config")


def as_list(value: Any) -> list[Any]:
    """The value of an option that takes one object, a list or none, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def lightning(argv: list[str]) -> CLI:
    """Run a command that has a Trainer; returns the CLI with model, data and Trainer.

    Args:
        argv: The command line after the program's name.

    Raises:
        InputError: The command cannot be run as given.
    """
    commands = [*LightningCLI.subcommands(), *COMMANDS]
    if argv and argv[0].startswith("-") and not stands_alone(argv):
        raise InputError(f"name the command before its options, one of {', '.join(commands)}: {PROGRAM} fit --help")
    if argv and not argv[0].startswith("-") and argv[0] not in commands:
        raise InputError(f"there is no command '{argv[0]}'{command_meant(argv[0], commands)}")
    options = {"allow_abbrev": False, "formatter_class": HelpFormatter}
    top = {
        "prog": PROGRAM,
        "version": lightning_gen.__version__,
        "description": lightning_gen.__doc__,
        "epilog": EXAMPLES,
    }
    only = argv[0] if argv and argv[0] in LightningCLI.subcommands() else None
    of_commands = {
        name: {**options, "description": text} for name, text in COMMAND_HELP.items() if only in (None, name)
    }
    return CLI(
        GenerativeModule,
        DataModule,
        save_config_callback=None,
        trainer_defaults={"enable_model_summary": False},  # Report prints it in a line
        seed_everything_default=0,
        subclass_mode_model=True,
        subclass_mode_data=True,
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
        parser_class=Parser,
        parser_kwargs={**options, **top, **of_commands},
        args=argv,
        only=only,
    )


def fit(options: Sequence[str]) -> pl.Trainer:
    """Run ``fit`` in this process; returns the Trainer that trained.

    Args:
        options: The command line after ``fit``.

    Raises:
        InputError: The command cannot be run as given.
    """
    return lightning(["fit", *options]).trainer
