"""Whether two networks can play against each other, and on which data."""

from collections.abc import Mapping
from itertools import combinations

from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import AuxiliaryClassifier, Discriminator, Generator
from lightning_gen.objectives import AuxiliaryTerm, Classification


def check_opponents(generator: Generator, discriminator: Discriminator) -> None:
    """Check that two networks can play against each other.

    Raises:
        InputError: They are built for different shapes or classes, or share weights.
    """
    if tuple(generator.shape) != tuple(discriminator.shape):
        raise InputError(
            f"the generator draws {tuple(generator.shape)} and the discriminator reads {tuple(discriminator.shape)}: "
            "build both for the same shape"
        )
    drawn, expected = generator.num_classes, discriminator.num_classes
    if drawn != expected:
        raise InputError(
            f"the generator is told of {drawn or 'no'} classes and the discriminator of {expected or 'no'}: give both "
            "a conditioning with the same num_classes, or neither"
        )
    check_apart({"generator": generator, "discriminator": discriminator})


def check_apart(networks: Mapping[str, nn.Module]) -> None:
    """Check that networks that take turns have weights of their own: each is frozen while another one plays.

    Args:
        networks: The players' networks by name.

    Raises:
        InputError: Two of them share weights.
    """
    for (one, first), (other, second) in combinations(networks.items(), 2):
        if set(first.parameters()) & set(second.parameters()):
            raise InputError(f"{one} and {other} share weights, which neither could train: build one of each")


def check_terms(discriminator: Discriminator, terms: Mapping[str, AuxiliaryTerm]) -> None:
    """Check that a discriminator that guesses classes is trained to, and no other is.

    Raises:
        InputError: It is not.
    """
    guesses = isinstance(discriminator.conditioning, AuxiliaryClassifier)
    learns = any(isinstance(term, Classification) for term in terms.values())
    if guesses and not learns:
        raise InputError(
            "AuxiliaryClassifier learns nothing without its term: add "
            "--model.terms '{classification: {class_path: Classification}}'"
        )
    if learns and not guesses:
        raise InputError(
            "the term Classification needs a discriminator that guesses classes: set "
            "--model.discriminator.conditioning AuxiliaryClassifier, on data with labels"
        )
