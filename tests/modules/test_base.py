"""What all modules share: the count, the generator, the axis, the weights that are refused."""

import pytest
import torch
from lightning.pytorch.loggers.logger import DummyLogger
from torch.utils.data import DataLoader

from lightning_gen import GenerativeModule, InputError


class Recorder(DummyLogger):
    """Keeps what is logged: (step, names)."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def log_metrics(self, metrics, step=None):
        self.seen.append((step, set(metrics)))


def loader(n=64, batch_size=16):
    return DataLoader(torch.rand(n, 1, 8, 8), batch_size=batch_size)


@pytest.mark.parametrize("start", [0, 2**24, 10**9])
@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_the_axis_is_the_exact_count_of_images(request, trainer, kind, start):
    module, logger = request.getfixturevalue(kind)(), Recorder()
    module.images_seen = start + 1  # no float32 holds 2**24 + 1
    trainer(max_epochs=1, logger=logger, log_every_n_steps=2).fit(module, loader(), loader())
    train = sorted({step for step, names in logger.seen if any(n.startswith("train/") for n in names)})
    val = {step for step, names in logger.seen if any(n.startswith("val/") for n in names)}
    assert train == [start + 1 + 32, start + 1 + 64]
    assert val == {start + 1 + 64}


@pytest.mark.parametrize(("every", "expected"), [(16, 4), (20, 3), (32, 2), (64, 1), (1000, 0)])
def test_a_rhythm_in_images_is_kept_whatever_the_batch_size(gan, trainer, every, expected):
    module, passed = gan(), []
    original = module.training_step

    def spy(batch, batch_idx):
        original(batch, batch_idx)
        passed.append(module.passed(every))

    module.training_step = spy
    trainer(max_epochs=1).fit(module, loader())
    assert sum(passed) == expected


def test_each_rank_and_each_seed_draws_its_own_numbers(gan, monkeypatch):
    drawn = {}
    for seed in (0, 1):
        for rank in (0, 1, 2):
            torch.manual_seed(seed)
            module = gan()
            monkeypatch.setattr(type(module), "global_rank", rank)
            drawn[seed, rank] = tuple(module.latents(1).flatten().tolist())
    assert len(set(drawn.values())) == len(drawn)


def test_weights_of_another_model_are_refused(gan, autoencoder, trainer):
    runner = trainer(max_epochs=1)
    runner.fit(gan(), loader())
    runner.save_checkpoint(runner.default_root_dir + "/gan.ckpt")
    with pytest.raises(InputError, match="do not fit this AutoencoderModule"):
        trainer().validate(autoencoder(), loader(), ckpt_path=runner.default_root_dir + "/gan.ckpt", verbose=False)


def test_a_loaded_module_goes_on_counting(gan, trainer, tmp_path):
    runner = trainer(max_epochs=1)
    runner.fit(gan(), loader())
    runner.save_checkpoint(tmp_path / "gan.ckpt")
    module = GenerativeModule.load_from_checkpoint(tmp_path / "gan.ckpt")
    trainer(max_epochs=1).fit(module, loader())
    assert module.images_seen == 128
