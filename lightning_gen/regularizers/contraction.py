"""The penalty of the contractive autoencoder."""

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.records import Reconstruction
from lightning_gen.terms import Term


class Contraction(Term):
    """The squared Frobenius norm of the encoder's Jacobian, E_x[‖∂z/∂x‖²], where z is the code without noise.

    It is not in nats. It is exact and takes one backward pass for each latent dimension, so time and memory grow with
    the width of the code. The encoder must not mix samples, as BatchNorm does.

    Paper: Contractive Auto-Encoders: Explicit Invariance During Feature Extraction, Rifai et al. 2011,
    https://icml.cc/2011/papers/455_icmlpaper.pdf, equation 1, where the weight is lambda

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
    """

    watches_input = True

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the batch of ‖∂z/∂x‖², in squared units of the code by those of the data.

        Raises:
            InputError: The code was not computed from a `seen` that requires a gradient.
        """
        if record.seen is None or not record.seen.requires_grad:
            raise InputError(
                "Contraction differentiates by the encoder's input: give the reconstruction a `seen` that requires a "
                "gradient, as AutoencoderModule does"
            )
        code = record.code.mean[:: record.codes_per_sample].flatten(1)
        return squared_jacobian(code, record.seen).mean()


def squared_jacobian(code: Tensor, seen: Tensor) -> Tensor:
    """Return ‖∂code/∂seen‖² of each sample, ``(n,)``; it can be differentiated again.

    Args:
        code: ``(n, d)``, each row a function of the same row of `seen`.
        seen: ``(n, ...)``, requires a gradient.
    """
    width = code.shape[1]
    basis = torch.eye(width, dtype=code.dtype, device=code.device)[:, None].expand(width, *code.shape)
    try:
        (rows,) = torch.autograd.grad(code, seen, basis, create_graph=True, is_grads_batched=True)
    except RuntimeError:  # torch 2.8 and earlier cannot take GroupNorm's derivative for all rows at once
        rows = torch.stack([torch.autograd.grad(column.sum(), seen, create_graph=True)[0] for column in code.unbind(1)])
    return rows.square().transpose(0, 1).flatten(1).sum(1)
