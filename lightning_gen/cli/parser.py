"""The parser of commands: what is wrong with one is said in a sentence."""

from collections.abc import Callable
from typing import NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from lightning_gen import private
from lightning_gen.cli.help import PROGRAM
from lightning_gen.cli.messages import explain
from lightning_gen.errors import InputError

GIVEN: set[str | int] = {"fit"}
"""Arguments that the command line gives a command itself: the function that runs `fit`."""


class Parser(LightningArgumentParser):
    """Says in one sentence what is wrong with a command."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:  # type: ignore[override]
        """Raise the message, cut down to its core, with the nearest valid name."""
        if not self.exit_on_error:  # the parser of a part, inside that of the command
            super().error(message, ex)
        raise root_error(ex) or InputError(explain(message, self.option_names)) from None

    @property
    def option_names(self) -> list[str]:
        """The names of all options, without dashes, those of the commands included."""
        own = [name.lstrip("-") for action in private.options(self) for name in action.option_strings]
        commands = private.commands_action(self)
        parsers = commands.choices.values() if commands else ()
        return own + [name for parser in parsers for name in parser.option_names]


def command_parser(name: str, command: Callable[..., None]) -> Parser:
    """The parser of a command that needs no Trainer; `GIVEN` is none of its options."""
    parser = Parser(prog=f"{PROGRAM} {name}", description=first_line(command), allow_abbrev=False)
    parser.add_function_arguments(command, as_positional=True, skip=GIVEN)
    return parser


def first_line(function: Callable[..., None]) -> str:
    """The first sentence of a docstring."""
    return (function.__doc__ or "").strip().splitlines()[0]


def root_error(error: BaseException | None) -> InputError | None:
    """The sentence for the user inside an error that a library has wrapped around it."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error
