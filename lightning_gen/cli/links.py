"""What one part must know of another, passed on while the command line is parsed."""

from collections.abc import Callable, Iterator
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from lightning_gen.errors import InputError
from lightning_gen.links import Link
from lightning_gen.reflection import imported, required_arguments
from lightning_gen.training import GenerativeModule


class Links:
    """What is asked of parts that are only configured: each is built once in a command, however much is asked of it."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def add(self, parser: LightningArgumentParser) -> None:
        """Give the parts of modules what `GenerativeModule.links` says, of every module that is imported."""
        targets = dict.fromkeys(link.target for kind in known() for link in kind.links)
        for target in targets:
            place = f"model.init_args.{target.replace('.', '.init_args.')}"
            parser.link_arguments(("data", "model"), place, compute_fn=self.asking(target))

    def asking(self, target: str) -> Callable[[Namespace, Namespace], Any]:
        """The function that gives an argument of a configured module, from the data and the module.

        It is asked whether or not the module has such an argument.
        """

        def ask(data: Namespace, model: Namespace) -> Any:
            link, arguments = link_of(imported(model.class_path), target), model.get("init_args") or Namespace()
            if link is None:  # what the user has given stays
                return arguments.get(target.replace(".", ".init_args."))
            return link.ask(ConfiguredParts(self, data, arguments))

        return ask

    def built(self, part: Namespace | None) -> Any:
        """A configured part, the same for the same configuration."""
        key = repr(part)
        if key not in self._built:
            self._built[key] = configured(part)
        return self._built[key]


class ConfiguredParts:
    """The data and the arguments of a configured module; see `lightning_gen.links.Parts`.

    Args:
        links: Builds them.
        data: The description of the data.
        arguments: Those of the module.
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
        """The part that the module takes under a name."""
        return self._links.built(self._arguments.get(name))

    def first(self, name: str, kind: type) -> Any:
        """The first part of a kind in an argument that is a dictionary of parts; None where there is none."""
        parts = self._arguments.get(name)
        for part in parts.values() if isinstance(parts, dict) else ():
            found = imported(part.class_path)
            if found is not None and issubclass(found, kind):
                return self._links.built(part)
        return None


def known(kind: type[GenerativeModule] | None = None) -> Iterator[type[GenerativeModule]]:
    """The classes of modules that are derived from one, or from `GenerativeModule`, as far as they are imported."""
    for below in (kind or GenerativeModule).__subclasses__():
        yield below
        yield from known(below)


def link_of(kind: type | None, target: str) -> Link | None:
    """What a class says of an argument; None where it says nothing, or is no `GenerativeModule`.

    A class that has no links at all gets those of others for arguments of the same name, as in version 0.1.
    """
    if kind is None or not issubclass(kind, GenerativeModule):
        return None
    links = kind.links or tuple(link for each in known() for link in each.links)
    return next((link for link in links if link.target == target), None)


def configured(part: Namespace | None) -> Any:
    """Build a part from its ``{class_path, init_args}``, and the parts that it is made of.

    Raises:
        InputError: There is no part, no such class, or an argument that it needs is missing.
    """
    kind = imported(part.class_path) if part is not None else None
    if part is None:
        raise InputError("the recipe lacks a part: name the model and the data, such as --config gan/dcgan")
    if kind is None:
        raise InputError(f"there is no class '{part.class_path}': import the module that defines it")
    given = {name: argument(value) for name, value in vars(part.get("init_args") or Namespace()).items()}
    given |= part.get("dict_kwargs") or {}
    for name in required_arguments(kind):
        if given.get(name) is None:
            raise InputError(
                f"{kind.__name__} needs '{name}', which was not given: add it to the command or to the recipe"
            )
    return kind(**given)


def argument(value: Any) -> Any:
    """An argument of a configured part: a part of its own, or plain data."""
    if isinstance(value, Namespace):
        return configured(value) if "class_path" in value else value.as_dict()
    return value
