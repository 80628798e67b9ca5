"""Heads: the last map of a discriminator, from features to logits."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from lightning_gen.records import DiscriminatorOutput


class Head(nn.Module, ABC):
    """Maps features to logits."""

    @abstractmethod
    def forward(self, features: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Map features ``(rows, features)``, of classes ``(rows,)`` or None, to logits ``(rows,)``."""


class LinearHead(Head):
    """One linear map to a logit.

    Args:
        features: Width of the features.
        bias: Whether the map has a bias.
    """

    def __init__(self, features: int, bias: bool = True) -> None:
        super().__init__()
        self.logit = nn.Linear(features, 1, bias=bias)

    def forward(self, features: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Map each row of features to a logit."""
        return DiscriminatorOutput(self.logit(features).squeeze(1), features, labels)


class ProjectionHead(LinearHead):
    """A linear map plus the inner product with an embedding of the class; see `Projection`.

    Args:
        features: Width of the features.
        num_classes: Number of classes.
        bias: Whether the map has a bias.
    """

    def __init__(self, features: int, num_classes: int, bias: bool = True) -> None:
        super().__init__(features, bias)
        self.embedding = nn.Embedding(num_classes, features)
        nn.init.normal_(self.embedding.weight, std=features**-0.5)

    def forward(self, features: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Map each row of features and its class to a logit."""
        unconditional = self.logit(features).squeeze(1)
        return DiscriminatorOutput(unconditional + (self.embedding(labels) * features).sum(1), features, labels)


class InnerProductHead(Head):
    """The inner product of an embedding of the class with a linear map of the features; see `InnerProduct`.

    The map starts as N(0, 1 / features), the embedding as N(0, 1 / (features · num_classes)).

    Args:
        features: Width of the features.
        num_classes: Number of classes.
    """

    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.map = nn.Linear(features, features, bias=False)
        self.embedding = nn.Embedding(num_classes, features)
        nn.init.normal_(self.map.weight, std=features**-0.5)
        nn.init.normal_(self.embedding.weight, std=(features * num_classes) ** -0.5)

    def forward(self, features: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Map each row of features and its class to a logit."""
        return DiscriminatorOutput((self.embedding(labels) * self.map(features)).sum(1), features, labels)


class ClassifierHead(LinearHead):
    """A linear map to a logit and one to the classes; see `AuxiliaryClassifier`.

    Args:
        features: Width of the features.
        num_classes: Number of classes.
        bias: Whether the map to the logit has a bias.
    """

    def __init__(self, features: int, num_classes: int, bias: bool = True) -> None:
        super().__init__(features, bias)
        self.classes = nn.Linear(features, num_classes)

    def forward(self, features: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Map each row of features to a logit and to logits of the classes."""
        return DiscriminatorOutput(self.logit(features).squeeze(1), features, labels, self.classes(features))
