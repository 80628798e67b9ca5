"""Arguments that follow from other parts, filled in while the command line is parsed."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from lightning_gen.errors import InputError
from lightning_gen.links import Link
from lightning_gen.memory import Budget
from lightning_gen.recording import built
from lightning_gen.reflection import UNKNOWN, hint_of, imported, members, required_arguments, subclasses
from lightning_gen.training import GenerativeModule


class Links:
    """Fills in linked arguments from configured parts; a part is built at most once in a command."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def add(self, parser: LightningArgumentParser) -> None:
        """Link the arguments in `GenerativeModule.links`, of every imported module."""
        targets = dict.fromkeys(link.target for kind in subclasses(GenerativeModule) for link in kind.links)
        for target in targets:
            place = f"model.init_args.{target.replace('.', '.init_args.')}"
            parser.link_arguments(("data", "model"), place, compute_fn=self.asking(target))

    def asking(self, target: str) -> Callable[[Namespace, Namespace], Any]:
        """The function that computes an argument of a configured module, from the data and the module.

        jsonargparse calls it also for modules without such an argument.
        """

        def ask(data: Namespace, model: Namespace) -> Any:
            link, arguments = link_of(imported(model.class_path), target), model.get("init_args") or Namespace()
            if link is None:  # keep the user's value
                return arguments.get(target.replace(".", ".init_args."))
            return link.ask(ConfiguredParts(self, data, arguments))

        return ask

    def built(self, part: Namespace | None) -> Any:
        """A configured part, the same object for the same configuration."""
        key = repr(part)
        if key not in self._built:
            self._built[key] = configured(part)
        return self._built[key]


class ConfiguredParts:
    """The data and the arguments of a configured module; see `lightning_gen.links.Parts`.

    Args:
        links: Builds the parts.
        data: The description of the data.
        arguments: The module's arguments.
    """

    def __init__(self, links: Links, data: Namespace, arguments: Namespace) -> None:
        self._links = links
        self._data = data
        self._arguments = arguments

    @property
    def data(self) -> Any:
        """The DataModule."""
        return self._links.built(self._data)

    def part(self, name: str) -> Any:
        """The part that is the module's argument of a name."""
        return self._links.built(self._arguments.get(name))

    def value(self, name: str) -> Any:
        """The module's argument of a name: a part, plain data, or None."""
        value = self._arguments.get(name)
        return self._links.built(value) if isinstance(value, Namespace) and "class_path" in value else value

    def first(self, name: str, kind: type) -> Any:
        """The first part of a class in an argument that is a dictionary of parts; None without one."""
        parts = self._arguments.get(name)
        for part in parts.values() if isinstance(parts, dict) else ():
            found = imported(part.class_path)
            if found is not None and issubclass(found, kind):
                return self._links.built(part)
        return None


def link_of(kind: type | None, target: str) -> Link | None:
    """The link of a class for an argument; None without one, or for a class that is no `GenerativeModule`.

    A class without any link gets those of other classes for arguments of the same name, as in version 0.1.
    """
    if kind is None or not issubclass(kind, GenerativeModule):
        return None
    links = kind.links or tuple(link for each in subclasses(GenerativeModule) for link in each.links)
    return next((link for link in links if link.target == target), None)


def configured(part: Namespace | None) -> Any:
    """Build a part from its ``{class_path, init_args}``, with the parts among its arguments.

    Raises:
        InputError: The part or a required argument is missing, there is no such class, or the part does not fit into
            memory.
    """
    with Budget("the model" if part is None else part.class_path.rpartition(".")[2]):
        return build(part)


def build(part: Namespace | None) -> Any:
    """The part; raises as `configured`."""
    kind = imported(part.class_path) if part is not None else None
    if part is None:
        raise InputError("the recipe lacks a part: name the model and the data, such as --config gan/dcgan")
    if kind is None:
        raise InputError(f"there is no class '{part.class_path}': import the module that defines it")
    given = {name: argument(value) for name, value in vars(part.get("init_args") or Namespace()).items()}
    given |= part.get("dict_kwargs") or {}
    check_given(kind, given, required_arguments(kind))
    check_not_null(kind, given)
    return built(kind, **given)


def check_given(kind: type, given: Mapping[str, Any], names: Iterable[str]) -> None:
    """Check that arguments of a class are given.

    Raises:
        InputError: One is missing.
    """
    for name in names:
        if given.get(name) is None:
            raise InputError(
                f"{kind.__name__} needs '{name}', which was not given: add it to the command or to the recipe"
            )


def check_arguments(described: Any) -> None:
    """Check the arguments of a part and of the parts in it that jsonargparse does not check.

    It calls constructors with None for required arguments without a type, and takes null for any argument.

    Raises:
        InputError: A required argument without a type is missing, or one that may not be None is null.
    """
    if isinstance(described, Namespace):
        described = vars(described)
    if isinstance(described, dict):
        kind = imported(described.get("class_path"))
        if kind is not None:
            given = vars(described.get("init_args") or Namespace())
            check_given(kind, given, [name for name in required_arguments(kind) if hint_of(kind, name) is Any])
            check_not_null(kind, given)
        described = list(described.values())
    for value in described if isinstance(described, list) else ():
        check_arguments(value)


def check_not_null(kind: type, given: Mapping[str, Any]) -> None:
    """Check that no optional argument of a class is None where neither its type nor its default is.

    Raises:
        InputError: One is.
    """
    anything = {type(None), Any, UNKNOWN}
    for name, parameter in inspect.signature(kind).parameters.items():
        null = name in given and given[name] is None and parameter.default not in (None, parameter.empty)
        if null and not anything.intersection(members(hint_of(kind, name))):
            raise InputError(
                f"{kind.__name__} cannot have {name} null: give it a value, or leave it out for its default"
            )


def argument(value: Any) -> Any:
    """An argument of a configured part: another part, which is built, or plain data."""
    if isinstance(value, Namespace):
        return build(value) if "class_path" in value else value.as_dict()
    return value
