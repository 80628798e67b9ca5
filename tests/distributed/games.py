"""Games in double precision that two processes, or one, play: the same batches, the same drawn numbers.

Started by torchrun it plays all of them under a strategy and leaves each process's weights in a folder:
``torchrun --nproc-per-node 2 games.py STRATEGY FOLDER``.
"""

import logging
import os
import sys
import warnings
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader

from lightning_gen import AdversarialAutoencoderModule, Batch, CycleTranslationModule, GANModule, TranslationModule
from lightning_gen.adversaries import GenerationMatching
from lightning_gen.bottlenecks import GaussianBottleneck
from lightning_gen.networks import (
    DenseDecoder,
    DenseDiscriminator,
    DenseEncoder,
    DenseGenerator,
    PatchDiscriminator,
    ResNetTranslator,
    UNet,
)
from lightning_gen.networks.conditioning import AuxiliaryClassifier, Concatenation
from lightning_gen.objectives import (
    AbsoluteError,
    BernoulliLikelihood,
    Classification,
    CycleConsistency,
    FeatureReconstruction,
    IdentityMapping,
    LeastSquares,
    NonSaturating,
    RelativisticPaired,
    Wasserstein,
)
from lightning_gen.regularizers import R1, R2, GradientPenalty, KLDivergence
from lightning_gen.training.collectives import leave_group

SHAPE = (1, 8, 8)
CLASSES = 10
UPDATES = 20
"""Of the generator."""
ROWS = 8
"""Of a batch, in each of two processes."""
ADAM = partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.999))
STILL = partial(ADAM, lr=1e-3, eps=1e-6)
"""Adam that leaves weights alone whose gradients are 0 but for rounding, as those of biases before a norm."""


def gan(told=None, judge=None, batch_norm=False, **options):
    """A GAN of small networks, both trained by Adam."""
    return GANModule(
        generator=DenseGenerator(SHAPE, latent_dim=4, widths=(16,), batch_norm=batch_norm, conditioning=told),
        discriminator=DenseDiscriminator(SHAPE, widths=(16, 16), conditioning=judge),
        generator_optimizer=ADAM,
        discriminator_optimizer=ADAM,
        **options,
    )


def vae_gan():
    """A VAE-GAN of small networks, both trained by Adam."""
    bottleneck = GaussianBottleneck(3)
    return AdversarialAutoencoderModule(
        DenseEncoder(SHAPE, bottleneck.features, (16,)),
        DenseDecoder(SHAPE, 3, (16,)),
        bottleneck,
        {"reconstruction": BernoulliLikelihood(0.1), "kl": KLDivergence()},
        DenseDiscriminator(SHAPE, (16,)),
        GenerationMatching(),
        NonSaturating(),
        adversarial_terms={"features": FeatureReconstruction(0.5)},
        autoencoder_optimizer=ADAM,
        discriminator_optimizer=ADAM,
    )


def judge(channels=1):
    """A discriminator of patches of small images, which normalizes each image alone."""
    return PatchDiscriminator((channels, *SHAPE[1:]), width=4, depth=1, batch_norm=False, instance_norm=True)


def pix2pix():
    """A translation of pairs by small networks, both trained by Adam."""
    return TranslationModule(
        UNet(SHAPE, width=4, dropout=0.0),
        {"l1": AbsoluteError()},
        judge(2),
        NonSaturating(),
        generator_optimizer=ADAM,
        discriminator_optimizer=ADAM,
    )


def cyclegan():
    """A translation in both directions; a history is each process's own, and is left out."""
    return CycleTranslationModule(
        *(ResNetTranslator(SHAPE, width=4, blocks=1, downsamplings=1) for _ in range(2)),
        *(judge() for _ in range(2)),
        {"cycle": CycleConsistency(), "identity": IdentityMapping()},
        LeastSquares(),
        history=0,
        generator_optimizer=STILL,
        discriminator_optimizer=STILL,
    )


SHARED = "shared samples"
"""The game of players who see the same samples, which cannot be split into parts."""
GAMES = {
    "non-saturating, R1": lambda: gan(objective=NonSaturating(), penalties={"r1": R1(1.0)}),
    "WGAN-GP, five updates": lambda: gan(
        objective=Wasserstein(), penalties={"gp": GradientPenalty()}, discriminator_updates=5
    ),
    SHARED: lambda: gan(objective=NonSaturating(), shared_samples=True, discriminator_updates=2),
    "RpGAN, R1, R2": lambda: gan(objective=RelativisticPaired(), penalties={"r1": R1(1.0), "r2": R2(1.0)}),
    "RpGAN, fresh reals": lambda: gan(objective=RelativisticPaired(), fresh_reals=True),
    "AC-GAN": lambda: gan(
        Concatenation(CLASSES),
        AuxiliaryClassifier(CLASSES),
        objective=NonSaturating(),
        terms={"classification": Classification()},
    ),
    "VAE-GAN": vae_gan,
    "Pix2Pix": pix2pix,
    "CycleGAN": cyclegan,
}
MIXING = "BatchNorm"
"""The game of a network that mixes the samples of a batch."""
ALL = {**GAMES, MIXING: lambda: gan(batch_norm=True, objective=NonSaturating())}


def made(name):
    """The module of a game, the same in every process."""
    torch.manual_seed(7)
    return ALL[name]()


def batches(module, processes=2):
    """The batches of a game over all processes, each process's rows together in each that is read at once."""
    source = torch.Generator().manual_seed(11)
    count, rows = UPDATES * getattr(module, "discriminator_updates", 1), processes * ROWS * module.batches_at_once
    return [
        Batch(
            torch.rand(rows, *SHAPE, generator=source, dtype=torch.float64) * 2 - 1,
            torch.randint(CLASSES, (rows,), generator=source),
            torch.rand(rows, *SHAPE, generator=source, dtype=torch.float64) * 2 - 1 if module.translates else None,
        )
        for _ in range(count)
    ]


def own(part, rank, batches_at_once):
    """A process's rows of each of the batches that are read at once."""
    return torch.cat([each[rank * ROWS : (rank + 1) * ROWS] for each in part.chunk(batches_at_once)])


def trained(module, played, **options):
    """The module, after it was trained on batches."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    run = Trainer(accelerator="cpu", max_epochs=1, enable_model_summary=False, **quiet, **options)
    run.fit(module, DataLoader(played, batch_size=None, shuffle=False))
    return module


class Joined(TorchFunctionMode):
    """What one process draws from `generator` is what two draw from their own, one's rows after the other's."""

    def __init__(self, generator, both):
        super().__init__()
        self.generator = generator
        self.both = both

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if kwargs.get("generator") is not self.generator:
            return func(*args, **kwargs)
        rows, *others = args
        half = rows // 2 if isinstance(rows, int) else (rows[0] // 2, *rows[1:])
        args = (half, *others)
        return torch.cat([func(*args, **{**kwargs, "generator": own}) for own in self.both])


def main(strategy, folder):
    """Play all games as one of the processes that torchrun has started."""
    rank = int(os.environ["RANK"])
    for name in ALL:
        module = made(name)
        torch.manual_seed(7)
        mine = [batch.map(partial(own, rank=rank, batches_at_once=module.batches_at_once)) for batch in batches(module)]
        trained(module, mine, devices=2, strategy=strategy, use_distributed_sampler=False)
        torch.save(module.state_dict(), Path(folder) / f"{name} {rank}.pt")


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float64)
    main(*sys.argv[1:])
    leave_group()  # its threads may abort a process that ends around them
