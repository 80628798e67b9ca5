"""The parser of commands, which reports a mistake in one sentence."""

import re
from collections.abc import Callable, Sequence
from enum import Enum
from inspect import signature
from typing import Any, NoReturn

import yaml
from jsonargparse import Namespace, set_dumper
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import Logger

from lightning_gen import private
from lightning_gen.cli.causes import first_cause, root_error
from lightning_gen.cli.help import IMPORT, PROGRAM, HelpFormatter
from lightning_gen.cli.loggers import PLACE
from lightning_gen.cli.messages import NO_ARGUMENTS, explain
from lightning_gen.errors import InputError
from lightning_gen.reflection import argument_names, members, required_arguments, resolved

BOOLEANS = ("true", "false", "yes", "no", "on", "off")
"""The words that YAML reads as booleans, in lower case."""
GIVEN: set[str | int] = {"fit"}
"""Arguments of a command that are not options: `dispatch.run` passes the function that runs `fit`."""


class PartFailed(Exception):
    """A part could not be built while a command was parsed; its cause is the error of the part.

    jsonargparse would take most other errors for mistakes in the command.
    """


class PlainDumper(yaml.SafeDumper):
    """Writes plain data, and members of enumerations, such as the default of Timer's ``interval``, as their values."""


PlainDumper.add_multi_representer(Enum, lambda dumper, member: dumper.represent_data(member.value))


def dump(settings: Any) -> str:
    """Settings as YAML, in their order."""
    return yaml.dump(settings, Dumper=PlainDumper, default_flow_style=False, allow_unicode=True, sort_keys=False)


set_dumper("yaml", dump)


class Parser(LightningArgumentParser):
    """Reports a mistake in a command in one sentence.

    Attributes:
        arguments: The arguments of the parts that the command describes, for suggestions.
        flags: The options, with dashes, that mean true without a value, such as ``--overwrite``.
    """

    arguments = NO_ARGUMENTS
    flags: frozenset[str] = frozenset()

    def parse_args(self, args: Any = None, *more: Any, **options: Any) -> Namespace:  # type: ignore[override]
        """Parse options; jsonargparse gives the null of an option to the parser of a part as the text None."""
        if not self.exit_on_error and args is not None:
            args = [re.sub("=None$", "=null", word) for word in args]
        return super().parse_args(args, *more, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:  # type: ignore[override]
        """Raise the message, shortened to one sentence, with the nearest valid name."""
        if not self.exit_on_error:  # the parser of a part, inside that of the command
            super().error(message, ex)
        if ex is not None and "Call to compute_fn of link" in message:  # a part could not be built
            raise PartFailed from first_cause(ex)
        raise root_error(ex) or InputError(explain(message, self.option_names, self.arguments)) from None

    def add_class_arguments(  # type: ignore[override]
        self, theclass: type, nested_key: str | None = None, **options: Any
    ) -> list[str]:
        """Add the arguments of a class; a logger's folder need not be given, see `lightning_gen.cli.loggers`."""
        follows = nested_key is None and issubclass(theclass, Logger) and PLACE in argument_names(theclass)
        if not follows:
            return super().add_class_arguments(theclass, nested_key, **options)
        added = super().add_class_arguments(theclass, skip={*options.pop("skip", ()), PLACE}, **options)
        self.add_argument(f"--{PLACE}", type=str | None, default=None, help="The run's folder if left out.")
        return [*added, PLACE]

    def with_values(self, argv: Sequence[str]) -> list[str]:
        """A command line in which each flag has its value in the same word: true where no word for a boolean follows.

        So a flag does not take the word after it, such as the checkpoint.
        """
        found: list[str] = []
        for word in argv:
            if found and found[-1] in self.flags:
                value = word if word.lower() in BOOLEANS else "true"
                found[-1] += f"={value}"
                if value is word:
                    continue
            found.append(word)
        return [*found[:-1], f"{found[-1]}=true"] if found and found[-1] in self.flags else found

    @property
    def option_names(self) -> list[str]:
        """The names of all options, without dashes, those of the commands included."""
        own = [name.lstrip("-") for action in private.options(self) for name in action.option_strings]
        commands = private.commands_action(self)
        parsers = commands.choices.values() if commands else ()
        return own + [name for parser in parsers for name in parser.option_names]


def command_parser(name: str, command: Callable[..., None]) -> Parser:
    """The parser of a command that needs no Trainer; the arguments in `GIVEN` are no options."""
    options: dict[str, Any] = {"allow_abbrev": False, "formatter_class": HelpFormatter}
    parser = Parser(prog=f"{PROGRAM} {name}", description=first_line(command), epilog=IMPORT, **options)
    lists = {each for each in signature(command).parameters if members(resolved(command, each))[0] == list[str]}
    parser.add_function_arguments(command, as_group=False, as_positional=True, skip={*GIVEN, *lists})
    if lists:  # words one after another, and not a list in brackets
        whole = Parser()
        whole.add_function_arguments(command, as_group=False, as_positional=True, skip=GIVEN)
        for action in private.options(whole):
            if action.dest in lists:
                name = action.dest if action.dest in required_arguments(command) else f"--{action.dest}"
                parser.add_argument(name, nargs="+", type=str, help=action.help)
    flags = [each for each in private.options(parser) if each.default is False and each.option_strings]
    for each in flags:
        each.nargs, each.const = "?", True  # as the help shows it
    parser.flags = frozenset(name for each in flags for name in each.option_strings)
    return parser


def first_line(function: Callable[..., None]) -> str:
    """The first sentence of a docstring."""
    return (function.__doc__ or "").strip().splitlines()[0]
