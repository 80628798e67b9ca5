"""What all networks ask of those who build and call them, said in one sentence where it is not so."""

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import GeneratorConditioning
from lightning_gen.ranges import COUNT
from lightning_gen.records import Shape


def require_positive(network: nn.Module, argument: str, *sizes: int) -> None:
    """Check that sizes a network is built from are whole numbers from 1 on.

    Args:
        network: The network, for its name.
        argument: The constructor's argument that gave the sizes.
        sizes: The sizes.

    Raises:
        InputError: A size is below 1 or not whole.
    """
    if not all(size in COUNT for size in sizes):
        name, given = type(network).__name__, ", ".join(map(str, sizes))
        raise InputError(f"{name} cannot be built with {argument} {given}: give whole numbers of at least 1")


def require_shape(network: nn.Module, x: Tensor, shape: Shape, argument: str) -> None:
    """Check that a batch has the shape that a network was built for.

    Args:
        network: The network, for its name.
        x: The batch, ``(n, *shape)`` if all is well.
        shape: The shape of one element of the batch.
        argument: The constructor's argument that fixed the shape.

    Raises:
        InputError: The batch has another shape.
    """
    if x.shape[1:] != shape:
        expected, got = ", ".join(map(str, ("n", *shape))), ", ".join(map(str, x.shape))
        raise InputError(
            f"{type(network).__name__} was built for a batch of shape ({expected}) and got ({got}): "
            f"build it with the {argument} of your data, or give it what it was built for"
        )


def require_no_batch_norm(network: nn.Module, conditioning: GeneratorConditioning | None) -> None:
    """Check that the conditioning of a generator without BatchNorm does not act on BatchNorm.

    Raises:
        InputError: It does, so that the classes would have no effect.
    """
    if conditioning is not None and conditioning.acts_on_batch_norm:
        raise InputError(
            f"{type(network).__name__} is built without the BatchNorm that {type(conditioning).__name__} acts on: "
            "use Concatenation"
        )


def require_labels(network: nn.Module, labels: Tensor | None) -> Tensor:
    """Check that a conditional network is told the classes.

    Raises:
        InputError: It is not.
    """
    if labels is None:
        raise InputError(
            f"{type(network).__name__} is conditional and the samples come without labels: take data with labels, or "
            "leave its conditioning out"
        )
    return labels
