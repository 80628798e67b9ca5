"""Networks of a trained model as programs that run without this package: ONNX models, and programs of ``torch.export``.

A program is made of what `encode`, `decode` and `forward` compute, without noise, for batches of any size. It is run in
batches of several sizes and compared with the module before it is written.
"""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import starmap
from typing import Any, cast

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.modules import Autoencoder, GANModule
from lightning_gen.modules.translation_base import TranslationBase
from lightning_gen.networks import Translator
from lightning_gen.records import Batch, Shape
from lightning_gen.spelling import suggest
from lightning_gen.training import GenerativeModule

BATCHES = (1, 2, 7)
"""The sizes of batches in which a program is compared with its module."""
COMPARED = 64
"""Number of samples that are compared."""
SEED = 0
"""Seed of the latents that are compared."""
TOLERANCE = 1e-4
"""Largest difference from the module that a program may have, as a share of the range of the values."""
EQUAL_INDICES = 0.999
"""Least share of a quantizer's indices that must be equal: at a tie the last bit decides."""
LARGEST = 2**31
"""Bytes that an ONNX file may hold at most."""
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
"""Operations of ONNX that give another result each time."""

Run = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""A program: the arguments of a batch to its results."""


@dataclass(frozen=True, eq=False)
class Part:
    """What of a module becomes a program.

    Attributes:
        name: ``encoder``, ``decoder``, ``generator``, or ``back_generator`` of a model that translates back.
        network: Tensors to a tuple of tensors.
        arguments: Its arguments by name, for some samples.
        results: The names of its results.
    """

    name: str
    network: nn.Module
    arguments: dict[str, Tensor]
    results: tuple[str, ...]

    @property
    def signature(self) -> str:
        """Names, types and shapes of arguments and results, in words."""
        with torch.no_grad():
            found = self.network(*(each[:2] for each in self.arguments.values()))
        given = ", ".join(starmap(shape_of, self.arguments.items()))
        return f"{given} → {', '.join(map(shape_of, self.results, found))}"


def shape_of(name: str, value: Tensor) -> str:
    """The type and shape of a tensor, as ``code float32 (batch, 16)``."""
    return f"{name} {str(value.dtype).removeprefix('torch.')} ({', '.join(['batch', *map(str, value.shape[1:])])})"


@dataclass(frozen=True)
class Difference:
    """How far a program is from its module.

    Attributes:
        share: The largest absolute difference as a share of the range of the values, of codes where indices agree.
        batch: The size of the batch in which it is.
        equal_indices: The share of equal indices of a quantizer; None without indices.
    """

    share: float
    batch: int
    equal_indices: float | None = None

    @property
    def is_small(self) -> bool:
        """Whether the program computes the same as the module, but for rounding."""
        return self.share <= TOLERANCE and (self.equal_indices is None or self.equal_indices >= EQUAL_INDICES)

    def __str__(self) -> str:
        indices = "" if self.equal_indices is None else f", {100 * self.equal_indices:.4g} % of the indices are equal"
        return f"{self.share:.2g} of the range at batch {self.batch}{indices}"


# parts ----------------------------------------------------------------------------------------------------------------


class EncoderProgram(nn.Module):
    """Samples to codes without noise, and to the indices of each codebook where there are any."""

    def __init__(self, module: Autoencoder) -> None:
        super().__init__()
        self.encoder, self.bottleneck, _ = module.networks

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, ...]:
        """``(n, *shape)`` to ``(n, latent_dim, *map_size)`` and int64 indices ``(n, *map_size)``."""
        code = self.bottleneck(self.encoder(x, labels), None)
        return code.mean, *(each.indices for each in code.quantizations)


class DecoderProgram(nn.Module):
    """Codes to samples, the means of the likelihood."""

    def __init__(self, module: Autoencoder) -> None:
        super().__init__()
        self.decoder, self.likelihood = module.networks.decoder, module.likelihood

    def forward(self, code: Tensor, labels: Tensor | None = None) -> tuple[Tensor]:
        """``(n, latent_dim, *map_size)`` to ``(n, *shape)``."""
        return (self.likelihood.mean(self.decoder(code, labels)),)


class GeneratorProgram(nn.Module):
    """Latents to samples."""

    def __init__(self, module: GANModule) -> None:
        super().__init__()
        self.generator = module.sampler

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> tuple[Tensor]:
        """``(n, latent_dim)`` to ``(n, *shape)``."""
        return (self.generator(latent, labels),)


class TranslatorProgram(nn.Module):
    """Sources to translations."""

    def __init__(self, translator: Translator) -> None:
        super().__init__()
        self.translator = translator

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """``(n, *source_shape)`` to ``(n, *target_shape)``."""
        return (self.translator(x),)


def parts_of(module: GenerativeModule, batch: Batch) -> dict[str, Part]:
    """The parts of a module that can become programs, by name.

    Args:
        module: An autoencoder, a GAN or a model that translates, in evaluation mode.
        batch: Samples, for their arguments; of a GAN as many latents are drawn, of a translator as many sources of
            noise.
    """
    classes = torch.arange(len(batch.x)) if batch.labels is None else batch.labels
    if module.reconstructs:
        coder = cast(Autoencoder, module)
        with torch.no_grad():
            code, *found = EncoderProgram(coder)(batch.x, labelled(coder.encoder.num_classes, classes).get("labels"))
        indices = ("indices",) if len(found) == 1 else tuple(f"indices_{index}" for index in range(len(found)))
        x, codes = (
            {name: value, **labelled(network.num_classes, classes)}
            for name, value, network in (("x", batch.x, coder.encoder), ("code", code, coder.decoder))
        )
        return {
            "encoder": Part("encoder", EncoderProgram(coder), x, ("code", *indices)),
            "decoder": Part("decoder", DecoderProgram(coder), codes, ("samples",)),
        }
    if module.translates:
        return {
            name: Part(name, TranslatorProgram(network), {"x": noise(len(batch.x), network.shape)}, ("translations",))
            for name, network in cast(TranslationBase, module).translators.items()
        }
    gan = cast(GANModule, module)
    latents = {"latent": gan.latents(len(batch.x), torch.Generator().manual_seed(SEED))}
    arguments = {**latents, **labelled(gan.num_classes, classes)}
    return {"generator": Part("generator", GeneratorProgram(gan), arguments, ("samples",))}


def noise(count: int, shape: Shape) -> Tensor:
    """Uniform noise in [-1, 1], ``(count, *shape)``, always the same."""
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(SEED)) * 2 - 1


def labelled(num_classes: int | None, classes: Tensor) -> dict[str, Tensor]:
    """The classes of samples as an argument of a conditional network; no argument for others."""
    return {} if num_classes is None else {"labels": classes % num_classes}


def part_named(parts: dict[str, Part], name: str | None) -> Part:
    """One of the parts of a module.

    Raises:
        InputError: There is none of that name, or no name and several parts.
    """
    if name is None and len(parts) > 1:
        raise InputError(f"a program is one network: choose it with --part {' or --part '.join(parts)}")
    found = parts.get(next(iter(parts)) if name is None else name)
    if found is None:
        raise InputError(f"the model has no part '{name}'{suggest(str(name), parts)}: --part is {' or '.join(parts)}")
    return found


# programs -------------------------------------------------------------------------------------------------------------


def to_program(part: Part) -> bytes:
    """A program of ``torch.export``, for batches of any size, as the content of a ``.pt2`` file.

    Raises:
        InputError: The network cannot be exported, or the program computes something else.
    """
    content, program = io.BytesIO(), exported(part)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tensors that share memory, which are kept
        torch.export.save(program, content)
    return content.getvalue()


def to_onnx(part: Part, notes: Mapping[str, str] | None = None) -> bytes:
    """An ONNX model for batches of any size, with its weights, as the content of a file.

    Args:
        part: The part.
        notes: Entries of the model's metadata.

    Raises:
        InputError: A package is missing, the network cannot be written as ONNX, gives random results, or is too large.
    """
    onnx = require_onnx()
    program = exported(part)
    names: Any = {"input_names": list(part.arguments), "output_names": list(part.results)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about its own work
            found = torch.onnx.export(program, dynamo=True, verbose=False, external_data=False, **names)
            model = cast(Any, found).model_proto
    except Exception as error:  # any of the exporter's, which change with its versions
        raise unexportable(part, "ONNX", error) from error
    if model.ByteSize() >= LARGEST:
        raise InputError(f"an ONNX file holds at most 2 GB and the {part.name} has more: export .pt2 instead")
    if random := sorted(RANDOM & {node.op_type for node in model.graph.node}):
        raise InputError(f"the {part.name} draws random numbers ({', '.join(random)}), which a program must not")
    onnx.helper.set_model_props(model, dict(notes or {}))
    return model.SerializeToString()


def require_onnx() -> Any:
    """The package onnx, if all are there that an ONNX model is made and checked with.

    Raises:
        InputError: One is missing.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX needs {' and '.join(missing)}: pip install 'lightning_gen[export]'")
    import onnx

    return onnx


def exported(part: Part) -> Any:
    """The program of a part, for batches of any size.

    Raises:
        InputError: The network cannot be exported.
    """
    # an example of two samples, as one of a single sample would fix the size of batches
    examples = tuple(value[:2] for value in part.arguments.values())
    sizes = tuple({0: torch.export.Dim("batch")} for _ in examples)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(part.network, examples, dynamic_shapes=sizes, strict=False)
    except Exception as error:  # any of torch's, which change with its versions, and those of a user's own network
        raise unexportable(part, "a program", error) from error


def unexportable(part: Part, kind: str, error: Exception) -> InputError:
    """The error for a network that torch cannot export."""
    reason = " ".join(str(error).split())[:200]
    return InputError(
        f"torch {torch.__version__} cannot write the {part.name} as {kind} ({type(error).__name__}: {reason}): a newer "
        "torch may, and --out FOLDER always writes the weights"
    )


# comparison -----------------------------------------------------------------------------------------------------------


def run_onnx(content: bytes) -> Run:
    """Run an ONNX model by onnxruntime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(arguments: Sequence[Tensor]) -> list[Tensor]:
        given = {name: value.numpy() for name, value in zip(names, arguments, strict=True)}
        return [torch.from_numpy(each) for each in session.run(None, given)]

    return run


def run_program(content: bytes) -> Run:
    """Run a program of ``torch.export``."""
    program = torch.export.load(io.BytesIO(content)).module()

    return lambda arguments: program(*arguments)


def difference(part: Part, run: Run) -> Difference:
    """Compare a program with its part, in batches of `BATCHES`.

    Raises:
        InputError: It fails in a batch of some size, or two runs differ.
    """
    arguments = tuple(part.arguments.values())
    with torch.no_grad():
        references = part.network(*arguments)
    value, *indices = references
    spread = float(value.max() - value.min()) or 1.0
    worst, equal = Difference(0.0, BATCHES[0]), [1.0]
    for size in BATCHES:
        found = results(part, run, arguments, size)
        same = torch.ones(len(value), *value.shape[2:], dtype=torch.bool)
        for each, reference in zip(found[1:], indices, strict=True):
            same &= each == reference
            equal.append(float((each == reference).double().mean()))
        apart = (found[0] - value).abs()
        apart = apart if not indices else apart.movedim(1, -1)[same]
        share = float(apart.max()) / spread if apart.numel() else 0.0
        if not share <= worst.share:
            worst = Difference(share, size)
    return replace(worst, equal_indices=min(equal) if indices else None)


def results(part: Part, run: Run, arguments: Sequence[Tensor], size: int) -> list[Tensor]:
    """The results of a program in batches of a size; see `difference`."""
    batches = list(zip(*(each.split(size) for each in arguments), strict=True))
    try:
        with torch.no_grad():
            found = [run(batch) for batch in batches]
            again = run(batches[0])
    except Exception as error:  # any of onnxruntime's
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"the program of the {part.name} fails in batches of {size} ({reason}) and was not written: export another "
            "form"
        ) from error
    if not all(map(torch.equal, found[0], again)):
        raise InputError(f"the program of the {part.name} gives another result each time and was not written")
    return [torch.cat(each) for each in zip(*found, strict=True)]
