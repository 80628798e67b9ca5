"""Fitted samplers as plain data in checkpoints, each with the key of the weights that gave its codes."""

import hashlib
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lightning_gen import checkpoint as checkpoints
from lightning_gen.samplers import LatentSampler

Kind = TypeVar("Kind", bound=LatentSampler)


def weights_key(*parts: nn.Module) -> str:
    """A hash of all weights and buffers of modules: equal for equal values, on any device."""
    digest = hashlib.sha256()
    for part in parts:
        for name, value in part.state_dict().items():
            if isinstance(value, Tensor):
                digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
                digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def described(sampler: LatentSampler) -> dict[str, Any]:
    """A fitted sampler as plain data and tensors."""
    return {
        "sampler": checkpoints.describe(sampler),
        "encoded_by": sampler.encoded_by,
        "shape": list(sampler.shape),
        "num_classes": sampler.num_classes,
        "class_names": None if sampler.class_names is None else list(sampler.class_names),
        "state": {name: value.cpu().clone() for name, value in sampler.state_dict().items()},
    }


def fit_key(sampler: LatentSampler, codes: Tensor, labels: Tensor | None, seed: int) -> str:
    """A hash of all that a fit depends on: a fit that was begun goes on if it is the same."""
    arguments = checkpoints.describe(sampler)
    named = {name: value for name, value in arguments["init_args"].items() if name not in sampler.of_draws}
    digest = hashlib.sha256(f"{arguments['class_path']} {named} {tuple(codes.shape)} {seed}".encode())
    for each in (codes, labels):
        if each is not None:
            digest.update(each.contiguous().numpy().data)
    return digest.hexdigest()


def rebuilt(kind: type[Kind], stored: dict[str, Any], **given: Any) -> Kind:
    """The sampler that `described` wrote.

    Args:
        kind: Its class.
        stored: What was written.
        given: Arguments that replace those that were written.

    Raises:
        InputError: It is of another class, or its description is not plain data.
    """
    arguments = stored["sampler"]["init_args"] | {"_class_path": stored["sampler"]["class_path"]}
    sampler = checkpoints.rebuild(kind, arguments, "the checkpoint", **given)
    names = stored.get("class_names")
    sampler.num_classes, sampler.class_names = stored.get("num_classes"), None if names is None else tuple(names)
    sampler.build(tuple(stored.get("shape", [len(stored["state"]["centre"])])))
    sampler.load_state_dict(stored["state"])
    sampler.requires_grad_(False)
    sampler.encoded_by = stored["encoded_by"]
    return sampler
