"""Two processes of the library against bare DDP: the same weights, and what each of them sends."""

import contextlib

import pytest
import torch
from ddp_by_hand import DDPByHand, WholeDDPByHand
from lightning.pytorch.callbacks import Callback
from sent import Collective, Sent
from small_games import CLASSES, SHAPE, game
from torch.utils.data import DataLoader

from lightning_gen.callbacks import ImageCheckpoint, PreemptionCheckpoint

pytestmark = pytest.mark.slow

HANDS = {"each": DDPByHand, "whole": WholeDDPByHand}
NETWORKS = ("generator", "discriminator")


@pytest.fixture
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class Beside(Callback):
    """Trains copies by the reference loop on the batches of this process; saves weights and collectives of both."""

    def __init__(self, folder):
        self.folder = folder
        self.batches = []
        self.sent = []
        self.counting = contextlib.ExitStack()

    def on_train_start(self, trainer, module):
        rng = module.rng.get_state()
        self.hands = {
            name: kind(module, iter(self.batches), torch.Generator().set_state(rng)) for name, kind in HANDS.items()
        }

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        real, labels = batch
        self.batches.append((real, None if module.num_classes is None else labels))
        self.counting.close()  # what came between two batches belongs to the first
        self.sent.append(self.counting.enter_context(Sent()))

    def on_train_end(self, trainer, module):
        self.counting.close()
        found = {"library": self.found(module, [sent.collectives for sent in self.sent])}
        for name, hand in self.hands.items():
            steps = []
            for _ in range(module.updates["generator"]):
                with Sent() as sent:
                    hand.step()
                steps.append(sent.collectives)
            found[name] = self.found(hand, steps)
        torch.save(found, self.folder / f"{trainer.global_rank}.pt")

    def found(self, side, sent):
        weights = {name: getattr(side, name).state_dict() for name in NETWORKS}
        return {"weights": weights, "sent": [[tuple(collective) for collective in step] for step in sent]}


@pytest.fixture
def two(trainer, tmp_path):
    """Train a module in two processes; returns what each of them found."""

    def fit(module, batches, *callbacks):
        count = 12 * batches
        data = list(zip(torch.rand(count, *SHAPE) * 2 - 1, torch.randint(CLASSES, (count,)), strict=True))
        options = {"devices": 2, "strategy": "ddp_fork", "max_epochs": 1, "enable_checkpointing": bool(callbacks)}
        run = trainer(callbacks=[*callbacks, Beside(tmp_path)], **options)
        run.fit(module, DataLoader(data, batch_size=6))
        return [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]

    return fit


@pytest.mark.usefixtures("_double_precision")
@pytest.mark.parametrize("name", ["dcgan", "wgan_gp", "rpgan", "projection"])
def test_the_weights_are_those_of_bare_ddp(name, two):
    module = game(name)
    before = {network: [p.clone() for p in getattr(module, network).parameters()] for network in NETWORKS}
    ranks = two(module, 4 * module.discriminator_updates)
    for rank in ranks:
        for hand in HANDS:
            torch.testing.assert_close(rank["library"]["weights"], rank[hand]["weights"], rtol=1e-9, atol=1e-12)
    for network in NETWORKS:
        trained, other = (rank["library"]["weights"][network] for rank in ranks)
        for (parameter, _), old in zip(getattr(module, network).named_parameters(), before[network], strict=True):
            assert torch.equal(trained[parameter], other[parameter]), "equal on both, though each saw its own batches"
            assert trained[parameter].numel() == 1 or not torch.equal(trained[parameter], old)


@pytest.mark.parametrize("updates", [1, 2])
def test_each_update_sends_the_gradient_of_its_own_network_once(updates, gan, two, tmp_path):
    module = gan(discriminator_updates=updates)
    bytes_of = {name: 4 * sum(p.numel() for p in getattr(module, name).parameters()) for name in NETWORKS}
    generator, discriminator = (Collective("allreduce_", bytes_of[name]) for name in NETWORKS)
    asking = [Collective("barrier", 1), Collective("allreduce_", 8)]  # Lightning waits for all before it reduces
    every = 5
    found, _ = two(module, 20, PreemptionCheckpoint(ImageCheckpoint(10**9, tmp_path), every))
    for index, sent in enumerate(found["library"]["sent"][1:], start=2):  # the first one sends buffers around
        asked = asking if (index - 1) % every == 0 else []
        plays = [discriminator] if index % updates else [discriminator, generator]
        assert sent == asked + plays
    each, whole = (sum(size for _, size in found[hand]["sent"][-1]) for hand in HANDS)
    assert each == updates * discriminator.size + generator.size
    assert whole > (updates + 1) * (discriminator.size + generator.size)
    if updates == 1:
        assert each <= whole / 2
