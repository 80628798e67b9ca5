"""The engine: what all LightningModules of the package share, and how networks are trained in phases."""

from lightning_gen.training.adversarial import AdversarialLosses
from lightning_gen.training.alternating import AlternatingModule
from lightning_gen.training.ema import EMA
from lightning_gen.training.module import GenerativeModule
from lightning_gen.training.optimizers import make_optimizer, make_scheduler, step_scheduler
from lightning_gen.training.phases import Loss, MicroBatch, OptimizedNetwork, Phase
from lightning_gen.training.strategies import UnwrappedDDPStrategy

__all__ = [
    "EMA",
    "AdversarialLosses",
    "AlternatingModule",
    "GenerativeModule",
    "Loss",
    "MicroBatch",
    "OptimizedNetwork",
    "Phase",
    "UnwrappedDDPStrategy",
    "make_optimizer",
    "make_scheduler",
    "step_scheduler",
]
