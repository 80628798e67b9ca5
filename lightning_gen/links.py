"""What one part must know of another, passed on while the command line is parsed."""

from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from lightning_gen.errors import InputError
from lightning_gen.objectives import Likelihood
from lightning_gen.reflection import imported, required_arguments


class Links:
    """What is asked of parts that are only configured: each is built once in a command, however much is asked of it."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def add(self, parser: LightningArgumentParser) -> None:
        """Give networks the shape and the classes of the data, and the widths of the bottleneck."""
        for part in ("generator", "encoder", "decoder"):
            parser.link_arguments("data", f"model.init_args.{part}.init_args.shape", compute_fn=self.shape_of)
        judged = "model.init_args.discriminator.init_args.shape"
        parser.link_arguments(("data", "model"), judged, compute_fn=self.judged_shape_of)
        for part in ("generator", "discriminator", "encoder", "decoder"):
            classes = f"model.init_args.{part}.init_args.conditioning.init_args.num_classes"
            parser.link_arguments("data", classes, compute_fn=self.classes_of)
        bottleneck = "model.init_args.bottleneck"
        parser.link_arguments(bottleneck, "model.init_args.encoder.init_args.features", compute_fn=self.features_of)
        parser.link_arguments(bottleneck, "model.init_args.decoder.init_args.latent_dim", compute_fn=self.latent_dim_of)
        outputs = "model.init_args.decoder.init_args.outputs"
        parser.link_arguments(("data", "model.init_args.objective"), outputs, compute_fn=self.outputs_of)

    def built(self, part: Namespace) -> Any:
        """A configured part, the same for the same configuration."""
        key = repr(part)
        if key not in self._built:
            self._built[key] = configured(part)
        return self._built[key]

    def shape_of(self, data: Namespace) -> list[int]:
        """The shape of the samples of a DataModule that is only configured."""
        return list(self.built(data).shape)

    def judged_shape_of(self, data: Namespace, model: Namespace) -> list[int]:
        """The shape of what a discriminator is shown: that of the samples, or what a configured contrast makes of it.

        It is asked for whether or not there is a discriminator.
        """
        parts = model.get("init_args") or Namespace()
        if parts.get("contrast") is None:
            return self.shape_of(data)
        contrast, width = self.built(parts.contrast), self.latent_dim_of(parts.get("bottleneck"))
        return list(contrast.judged_shape(self.shape_of(data), width))

    def classes_of(self, data: Namespace) -> int:
        """The number of classes of a DataModule that is only configured; 0 where it has no labels.

        It is asked for whether or not the networks are conditional.
        """
        return self.built(data).num_classes or 0

    def features_of(self, bottleneck: Namespace) -> int:
        """The width of the features that a configured bottleneck reads."""
        return self.built(bottleneck).features

    def latent_dim_of(self, bottleneck: Namespace) -> int:
        """The width of the code that a configured bottleneck makes."""
        return self.built(bottleneck).latent_dim

    def outputs_of(self, data: Namespace, objective: Any) -> int | None:
        """The channels of the decoder's output that a configured objective reads; None where it is none of named terms.

        It is asked for whether or not there is a decoder.
        """
        terms = objective.values() if isinstance(objective, dict) else ()
        for term in terms:
            kind = imported(term.class_path)
            if kind is not None and issubclass(kind, Likelihood):
                return self.built(term).outputs(self.shape_of(data)[0])
        return None


def configured(part: Namespace) -> Any:
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
