"""The arguments that a command can set: those of its parts, by the classes that the command chooses for them.

Help and suggestions read them before a command is parsed, and when it cannot be parsed.
"""

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from lightning.pytorch import Trainer

from lightning_gen.cli import recipes
from lightning_gen.data import DataModule
from lightning_gen.reflection import argument_names, hint_of, imported, members, subclasses
from lightning_gen.samplers import LatentSampler
from lightning_gen.training import GenerativeModule
from lightning_gen.upgrades import upgraded_path

CHOICE, ARGUMENTS = "class_path", "init_args"
"""The keys of a part's description."""
ROOTS: dict[str, Any] = {"model": GenerativeModule, "data": DataModule, "sampler": LatentSampler}
"""The parts that a command describes."""
PLAIN = ("builtins", "collections.abc", "datetime", "pathlib", "torch", "typing")
"""Modules whose classes are those of plain data and of tensors."""
NONE: Any = inspect.Parameter.empty
"""The value of an argument that the command does not give and that has no default."""
NO_CHOICE = {
    "lightning_gen.callbacks", "lightning_gen.bench", "lightning_gen.inspection", "lightning_gen.cli",
    "lightning_gen.networks.wrapped", "lightning_gen.training.overhead",
    "lightning.pytorch.strategies.deepspeed", "lightning.pytorch.strategies.fsdp",
    "lightning.pytorch.strategies.model_parallel", "lightning.pytorch.cli",
}  # fmt: skip
"""Modules whose classes are part of every run, or refused; help and suggestions leave them out."""
NO_CHOICES = {
    "DummyLogger", "WrappedLikelihood", "ReduceLROnPlateau", "LambdaLR", "MultiplicativeLR", "SequentialLR",
    "ChainedScheduler", "LambdaCallback", "Checkpoint", "ProgressBar", "BaseFinetuning", "BasePredictionWriter",
}  # fmt: skip
"""Names of such classes beside others that can be chosen, and of those that take functions or are only bases."""


def bases(hint: Any) -> list[type]:
    """The classes of the parts that an argument of a type takes, among its values or returned by them."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if is_union(hint):
        return [kind for each in inner for kind in bases(each)]
    if origin is collections.abc.Callable:
        return bases(inner[-1])
    if origin is not None:
        return [kind for each in inner[-1:] for kind in bases(each)]
    return [hint] if isinstance(hint, type) and hint.__module__ not in PLAIN else []


def is_union(hint: Any) -> bool:
    """Whether a type is a union of others."""
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def choices(base: type) -> dict[str, type]:
    """The classes that can be given for a base class, by name."""
    found: dict[str, type] = {}
    if can_be_given(base, base):
        found[base.__name__] = base
    for kind in subclasses(base):
        if can_be_given(kind, base):
            found.setdefault(kind.__name__, kind)
    return found


def can_be_given(kind: type, base: type) -> bool:
    """Whether a class can be given for a base class: it is complete, public, and not part of every run anyway."""
    ours = base.__module__.startswith("lightning_gen")
    incomplete = inspect.isabstract(kind) or (kind is base and not ours)
    hidden = any(f"{kind.__module__}.".startswith(f"{module}.") for module in NO_CHOICE)
    return not (incomplete or kind.__name__.startswith("_") or hidden or kind.__name__ in NO_CHOICES)


def class_named(name: Any, among: Iterable[type]) -> type | None:
    """The class of a name among the choices, or of a dotted path, if it is imported; else None."""
    path = upgraded_path(name)
    if not isinstance(path, str):
        return None
    if "." not in path:
        return next((found[path] for base in among if path in (found := choices(base))), None)
    return imported(path)


@dataclass(frozen=True)
class Argument:
    """An argument of a command or of a part.

    Attributes:
        name: Its dotted name, such as ``model.generator.width``: the option without dashes.
        hint: Its type.
        value: What the command gives it, a part's description or plain data; `NONE` where it gives nothing.
        default: Its default; `NONE` without one.
    """

    name: str
    hint: Any
    value: Any = NONE
    default: Any = NONE

    @property
    def bases(self) -> list[type]:
        """The classes of the parts that it takes; empty for plain data."""
        return bases(self.hint)

    @property
    def choices(self) -> dict[str, type]:
        """The classes that can be given, by name."""
        return {name: kind for base in self.bases for name, kind in choices(base).items()}

    @property
    def named_parts(self) -> bool:
        """Whether it takes several parts by names, as ``model.objective`` of an autoencoder does."""
        return bool(self.bases) and any(typing.get_origin(each) is dict for each in members(self.hint))

    @property
    def several(self) -> bool:
        """Whether it takes a list of parts."""
        return bool(self.bases) and any(typing.get_origin(each) is list for each in members(self.hint))

    @property
    def plain(self) -> bool:
        """Whether it takes plain data, alone or beside parts."""
        return any(not bases(each) and each is not type(None) for each in members(self.hint))

    @property
    def called_with(self) -> int:
        """The number of its class's arguments that are not set: a caller gives them, as the optimizer its weights."""
        for each in (self.hint, *typing.get_args(self.hint)):
            if typing.get_origin(each) is collections.abc.Callable:
                given = typing.get_args(each)[0]
                return len(given) if isinstance(given, list) else 0
        return 0

    @property
    def kind(self) -> type | None:
        """The class that is chosen: by the command, by the default, or because there is no other."""
        if self.named_parts or not self.bases:
            return None
        path = self.value.get(CHOICE) if isinstance(self.value, Mapping) else self.value
        if isinstance(path, str):
            return class_named(path, self.bases)
        if any(isinstance(self.default, base) for base in self.bases):
            return type(self.default)
        (only, *others) = self.bases
        return only if not others and dataclasses.is_dataclass(only) else None

    def of(self, kind: type | None) -> "Argument":
        """The same argument with another class, if there is one."""
        return self if kind in (None, self.kind) else dataclasses.replace(self, value={CHOICE: kind_path(kind)})

    @property
    def arguments(self) -> dict[str, "Argument"]:
        """The arguments of the chosen class, without those that its caller gives, or the named parts."""
        given = self.value if isinstance(self.value, Mapping) else {}
        if self.named_parts:
            (base, *_) = self.bases
            return {name: Argument(f"{self.name}.{name}", base, value) for name, value in given.items()}
        if self.kind is None:
            return {}
        given = given.get(ARGUMENTS) or {} if CHOICE in given or ARGUMENTS in given else given
        names = argument_names(self.kind)[self.called_with :]
        return {name: self._argument(self.kind, name, given.get(name, NONE)) for name in names}

    def _argument(self, kind: type, name: str, value: Any) -> "Argument":
        parameter = inspect.signature(kind).parameters.get(name)
        default = NONE if parameter is None else parameter.default
        return Argument(f"{self.name}.{name}" if self.name else name, hint_of(kind, name), value, default)

    def at(self, path: Sequence[str]) -> "Argument | None":
        """The argument below this one at a path of names; None where there is none."""
        found: Argument | None = self
        for name in path:
            found = None if found is None else found.arguments.get(name)
        return found

    def walk(self) -> Iterator["Argument"]:
        """This argument and all below it."""
        yield self
        for argument in self.arguments.values():
            yield from argument.walk()


def kind_path(kind: type | None) -> str | None:
    """The dotted path of a class in the file that defines it."""
    return None if kind is None else f"{kind.__module__}.{kind.__qualname__}"


class Arguments:
    """All arguments of the parts that a command describes.

    Args:
        layers: Descriptions, such as recipes; each overrides those before it.
        options: The user's options, which override all descriptions.
    """

    def __init__(self, layers: Sequence[Mapping[str, Any]] = (), options: Sequence[str] = ()) -> None:
        described: dict[str, Any] = {}
        for layer in layers:
            for name, value in layer.items():
                put(described, name.split("."), value)
        for name, value in values_of(options):
            put(described, name.split("."), value)
        self._roots = {root: Argument(root, hint, described.get(root, NONE)) for root, hint in ROOTS.items()}
        self._roots["trainer"] = Argument("trainer", Trainer, {CHOICE: kind_path(Trainer)})

    def at(self, name: str) -> Argument | None:
        """The argument of a dotted name, such as ``model.generator``; None if there is none."""
        root, *path = (word for word in name.split(".") if word not in (CHOICE, ARGUMENTS))
        return self._roots[root].at(path) if root in self._roots else None

    @property
    def linked(self) -> set[str]:
        """The names of the arguments that follow from other parts, and are not set."""
        links = getattr(self._roots["model"].kind, "links", ())
        return {f"model.{link.target}" for link in links}

    @property
    def names(self) -> list[str]:
        """The names of all that can be set in the model, the data and the sampler."""
        found = [each.name for root in ROOTS for each in self._roots[root].walk()]
        return [name for name in found if name not in self.linked]


def values_of(options: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The options that describe a part, with their values."""
    for word, following in zip(options, [*options[1:], ""], strict=False):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and name.split(".")[0] in ROOTS and not name.endswith(".help"):
            yield name, plain(value if equals else following)


def plain(text: str) -> Any:
    """The value of an option: a description as a mapping, everything else as it is."""
    if not text.startswith("{"):
        return text
    try:
        return recipes.parsed(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # the parser reports it
        return text


def put(described: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Put a value into a description at a path of names, over what is there."""
    first, *rest = path
    if not rest:
        described[first] = laid_over(described.get(first), value)
        return
    part = described.get(first)
    part = dict(part) if isinstance(part, Mapping) else {CHOICE: part} if isinstance(part, str) else {}
    if rest[0] not in (CHOICE, ARGUMENTS) and CHOICE in part:
        part[ARGUMENTS] = dict(part.get(ARGUMENTS) or {})
        put(part[ARGUMENTS], rest, value)
    else:
        put(part, rest, value)
    described[first] = part


def laid_over(before: Any, value: Any) -> Any:
    """A value over an earlier one: the arguments of a part stay if the part keeps its class."""
    if isinstance(value, str) and isinstance(before, Mapping) and CHOICE in before:
        value = {CHOICE: value}
    if not (isinstance(value, Mapping) and isinstance(before, Mapping) and {CHOICE, ARGUMENTS} & {*value, *before}):
        return value
    path = value.get(CHOICE, before.get(CHOICE))
    if str(path).rpartition(".")[2] != str(before.get(CHOICE)).rpartition(".")[2]:
        return value
    arguments = dict(before.get(ARGUMENTS) or {})
    for name, each in (value.get(ARGUMENTS) or {}).items():
        arguments[name] = laid_over(arguments.get(name), each)
    return {CHOICE: path, ARGUMENTS: arguments}
