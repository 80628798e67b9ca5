"""What several processes agree on: gradients in fewer bytes, and the same weights without DistributedDataParallel."""

import copy
import gc
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import (
    allreduce_hook,
    bf16_compress_hook,
    bf16_compress_wrapper,
    fp16_compress_hook,
)
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader

from lightning_gen import GenerativeModule, InputError
from lightning_gen.cli import main
from lightning_gen.training import UnwrappedDDPStrategy
from lightning_gen.training.collectives import leave_group

NETWORKS = ("generator", "discriminator")


@pytest.fixture
def alone():
    """A group of one process ends with the test."""
    yield
    leave_group()


class Watched(Callback):
    """Starts each process from other weights, and saves its gradients before and after averaging, bytes and weights."""

    def __init__(self, folder):
        self.folder = folder
        self.own, self.mean, self.sent = [], [], []

    def setup(self, trainer, module, stage):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter += module.global_rank

    def on_train_start(self, trainer, module):
        average, reduce = module.average_gradients, torch.distributed.all_reduce

        def averaged(parameters):
            parameters = list(parameters)
            self.own.append([p.grad.clone() for p in parameters])
            torch.distributed.all_reduce = counted
            average(iter(parameters))
            torch.distributed.all_reduce = reduce
            self.mean.append([p.grad.clone() for p in parameters])

        def counted(tensor):
            self.sent.append(tensor.nbytes)
            return reduce(tensor)

        module.average_gradients = averaged

    def on_train_end(self, trainer, module):
        weights = {name: getattr(module, name).state_dict() for name in NETWORKS}
        found = {"own": self.own, "mean": self.mean, "sent": self.sent, "weights": weights}
        torch.save(found, self.folder / f"{trainer.global_rank}.pt")


@pytest.fixture
def two(trainer, tmp_path):
    """Train a module in two processes under a strategy; returns what each of them did."""

    def fit(module, strategy):
        x = torch.rand(48, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1
        run = trainer(devices=2, strategy=strategy, max_epochs=1, callbacks=[Watched(tmp_path)])
        run.fit(module, DataLoader(x, batch_size=8))
        return [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]

    return fit


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hook", "dtype"),
    [(None, torch.float32), (bf16_compress_hook, torch.bfloat16), (fp16_compress_hook, torch.float16)],
    ids=["float32", "bfloat16", "float16"],
)
def test_gradients_are_averaged_in_the_type_that_a_communication_hook_names(hook, dtype, gan, two):
    module = gan()
    sizes = {name: sum(p.numel() for p in getattr(module, name).parameters()) for name in NETWORKS}
    ranks = two(module, DDPStrategy(start_method="fork", ddp_comm_hook=hook))
    assert ranks[0]["sent"] == [dtype.itemsize * sizes[name] for name in ("discriminator", "generator")] * 3
    torch.testing.assert_close(ranks[0]["weights"], ranks[1]["weights"], rtol=0, atol=0)
    for turn in range(6):
        owns = [torch.cat([g.flatten() for g in rank["own"][turn]]).double() for rank in ranks]
        means = [torch.cat([g.flatten() for g in rank["mean"][turn]]) for rank in ranks]
        assert torch.equal(*means)
        # each share is rounded once, and their sum once more, by at most half of eps
        bound = torch.finfo(dtype).eps * (owns[0].abs() + owns[1].abs()) / 2 + torch.finfo(torch.float16).tiny * 2**-8
        assert not torch.equal(*owns)
        assert ((means[0] - (owns[0] + owns[1]) / 2).abs() <= bound).all()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    "options",
    [
        {"ddp_comm_hook": allreduce_hook},
        {"ddp_comm_hook": bf16_compress_hook, "ddp_comm_wrapper": bf16_compress_wrapper},
    ],
    ids=["hook", "wrapper"],
)
def test_a_communication_hook_that_would_do_nothing_is_refused(options, gan, trainer):
    with pytest.raises(
        InputError, match=r"give --trainer.strategy.ddp_comm_hook torch.distributed\S*bf16_compress_hook"
    ):
        trainer(strategy=DDPStrategy(**options)).fit(gan(), DataLoader(torch.zeros(8, 1, 8, 8), batch_size=4))


@pytest.mark.usefixtures("alone")
def test_a_recipe_asks_for_gradients_in_bfloat16(tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(GenerativeModule, "on_fit_end", lambda self: trained.append(self))
    parts = ["gan/dense", "trainer/smoke", "trainer/ddp", "trainer/bf16_gradients"]
    small = ["--data.size=8", "--model.generator.widths=[16]", "--model.discriminator.widths=[16]"]
    cpu = ["--trainer.accelerator=cpu", "--trainer.devices=1", f"--runs_dir={tmp_path}"]
    main(["fit", *(f"--config={part}" for part in parts), *small, *cpu])
    (module,) = trained
    assert module._sent_as == torch.bfloat16


# without DistributedDataParallel -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_weights_are_those_of_ddp_to_the_bit(gan, two):
    found = []
    for kind in (DDPStrategy, UnwrappedDDPStrategy):
        torch.manual_seed(0)
        module = gan(batch_norm=True, generator_optimizer=partial(torch.optim.Adam, lr=1e-2))
        before = {network: copy.deepcopy(getattr(module, network)) for network in NETWORKS}
        found.append(two(module, kind(start_method="fork")))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    one, other = (rank["weights"] for rank in found[1])
    for network in NETWORKS:
        for name, parameter in before[network].named_parameters():
            assert torch.equal(one[network][name], other[network][name]), "all start as the first and stay equal"
            assert not torch.equal(one[network][name], parameter)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("strategy", "kind"), [("ddp", DDPStrategy), ("ddp_unwrapped", UnwrappedDDPStrategy)])
def test_memory_for_all_gradients_once_more_is_not_set_aside(strategy, kind, gan, trainer, monkeypatch):
    module, taken = gan(), []
    configure = kind.configure_ddp

    def measured(self):
        gc.collect()  # what earlier tests have left would be counted as given back
        gc.disable()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
            configure(self)
        gc.enable()
        # not their sum: what threads of the collectives free is counted now in one place and now in another
        taken.extend(event.self_cpu_memory_usage for event in found.events() if event.name == "aten::empty")

    monkeypatch.setattr(kind, "configure_ddp", measured)
    trainer(strategy=strategy, max_epochs=1).fit(module, DataLoader(torch.zeros(8, 1, 8, 8), batch_size=4))
    trained = 4 * sum(p.numel() for name in NETWORKS for p in getattr(module, name).parameters())
    assert any(trained <= size < 1.1 * trained for size in taken) == (strategy == "ddp")
    assert all(size < 1.1 * trained for size in taken)


@pytest.mark.usefixtures("alone")
def test_a_module_that_needs_distributed_data_parallel_is_refused(autoencoder, trainer):
    with pytest.raises(InputError, match=r"gradients of AutoencoderModule: use --trainer.strategy ddp"):
        trainer(strategy="ddp_unwrapped").fit(autoencoder(), DataLoader(torch.zeros(8, 1, 8, 8), batch_size=4))
