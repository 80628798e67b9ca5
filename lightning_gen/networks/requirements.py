"""Checks that all networks share: sizes, shapes and labels."""

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import GeneratorConditioning
from lightning_gen.ranges import COUNT
from lightning_gen.records import Shape


def require_positive(network: nn.Module, argument: str, *sizes: int) -> None:
    """Check that sizes of a network are whole numbers of at least 1.

    Args:
        network: The network, for its name.
        argument: The constructor argument that holds the sizes.
        sizes: The sizes.

    Raises:
        InputError: A size is below 1 or not whole.
    """
    if not all(size in COUNT for size in sizes):
        name, given = type(network).__name__, ", ".join(map(str, sizes))
        raise InputError(f"{name} cannot be built with {argument} {given}: give whole numbers of at least 1")


def require_shape(
    network: nn.Module,
    x: Tensor,
    shape: Shape,
    argument: str,
    multiple_of: int | None = None,
    least_side: int = 1,
) -> None:
    """Check that a batch has a shape that a network accepts.

    Args:
        network: The network, for its name.
        x: The batch.
        shape: The shape of one sample that the network was built for.
        argument: The constructor argument that determines the shape.
        multiple_of: Sides may differ from those of `shape` by multiples of this number; None: they may not differ.
        least_side: The smallest side that is accepted.

    Raises:
        InputError: The network does not accept the shape of the batch.
    """
    if not accepts(tuple(x.shape[1:]), shape, multiple_of, least_side):
        expected, got = ", ".join(map(str, ("n", *shape))), ", ".join(map(str, x.shape))
        raise InputError(
            f"{type(network).__name__} was built for a batch of shape ({expected}) and got ({got}): "
            f"build it with the {argument} of your data, or give it {accepted_shapes(shape, multiple_of, least_side)}"
        )


def accepts(got: Shape, shape: Shape, multiple_of: int | None, least_side: int) -> bool:
    """Whether a network that was built for one shape accepts another; see `require_shape`."""
    if got == shape or multiple_of is None:
        return got == shape
    alike = len(got) == len(shape) > 1 and got[0] == shape[0]
    sides = zip(got[1:], shape[1:], strict=False)
    return alike and all(side >= least_side and (side - built) % multiple_of == 0 for side, built in sides)


def accepted_shapes(shape: Shape, multiple_of: int | None, least_side: int) -> str:
    """The shapes that a network accepts, as the end of a sentence."""
    if multiple_of is None:
        return "what it was built for"
    if multiple_of == 1:
        return f"sides of at least {least_side}"
    if all(side % multiple_of == 0 for side in shape[1:]):
        return f"sides that are multiples of {multiple_of}"
    return f"sides that differ from those by multiples of {multiple_of}"


def require_no_batch_norm(network: nn.Module, conditioning: GeneratorConditioning | None) -> None:
    """Check that the conditioning of a generator without BatchNorm does not act on BatchNorm.

    Raises:
        InputError: It acts on BatchNorm, so the classes would have no effect.
    """
    if conditioning is not None and conditioning.acts_on_batch_norm:
        raise InputError(
            f"{type(network).__name__} has no BatchNorm for {type(conditioning).__name__} to act on: use Concatenation"
        )


def require_labels(network: nn.Module, labels: Tensor | None) -> Tensor:
    """Check that a conditional network gets the classes.

    Raises:
        InputError: They are missing.
    """
    if labels is None:
        raise InputError(
            f"{type(network).__name__} is conditional and the samples come without labels: take data with labels, or "
            "leave its conditioning out"
        )
    return labels
