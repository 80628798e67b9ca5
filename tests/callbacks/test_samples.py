"""SampleGrid: grids that can be compared, and a training that does not depend on them."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from lightning_gen.augmentations import Masking
from lightning_gen.callbacks import MaxImages, SampleGrid
from lightning_gen.data import Digits, Ring
from lightning_gen.media import preview
from lightning_gen.media.rows import with_names
from lightning_gen.networks import Concatenation, DenseDecoder, DenseDiscriminator, DenseEncoder, DenseGenerator


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pixels(path):
    return np.asarray(Image.open(path))


def states(module):
    """All that drawing could disturb: weights, modes, requirements of gradients, random states."""
    return {
        "training": {name: child.training for name, child in module.named_modules()},
        "gradients": {name: p.requires_grad for name, p in module.named_parameters()},
        "weights": {name: value.clone() for name, value in module.state_dict().items()},
        "random": [module.rng.get_state(), torch.get_rng_state()],
    }


def assert_equal(left, right):
    torch.testing.assert_close(left, right, rtol=0, atol=0)


def test_grids_are_drawn_at_multiples_and_at_the_end(gan, trainer, tmp_path):
    grid = SampleGrid(256, tmp_path)
    trainer(max_epochs=-1, callbacks=[MaxImages(600), grid]).fit(gan(), Digits(8))
    assert names(tmp_path) == ["samples-000000256.png", "samples-000000512.png", "samples-000000640.png"]
    assert grid.latest == [tmp_path / "samples-000000640.png"]


def test_without_held_out_images_none_are_reconstructed(autoencoder, trainer, tmp_path):
    callbacks = [MaxImages(128), SampleGrid(64, tmp_path)]
    trainer(max_epochs=-1, callbacks=callbacks).fit(autoencoder(variational=True), Digits(8, val_fraction=0.0))
    assert names(tmp_path) == ["samples-000000064.png", "samples-000000128.png"]


def test_the_same_latents_are_drawn_every_time(gan, trainer, tmp_path):
    module = gan(generator_optimizer=partial(torch.optim.SGD, lr=0.0), ema=None)
    trainer(max_epochs=-1, callbacks=[MaxImages(192), SampleGrid(64, tmp_path)]).fit(module, Digits(8))
    first, *others = (pixels(path) for path in sorted(tmp_path.iterdir()))
    assert len(others) == 2
    assert all(np.array_equal(first, other) for other in others), "a generator that stands still draws the same"
    expected = preview(module.sample(64, generator=torch.Generator().manual_seed(0)))
    assert np.array_equal(first, expected[0].numpy())


@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_drawing_leaves_the_module_as_it_was(request, trainer, tmp_path, kind):
    options = {"batch_norm": True} if kind == "gan" else {"variational": True}
    module = request.getfixturevalue(kind)(**options)
    grid = SampleGrid(None, tmp_path)
    runner = trainer(max_epochs=1, callbacks=[grid])
    runner.fit(module, Digits(8))
    for training in (True, False):
        module.train(training)
        if kind == "gan":
            module.generator_ema.eval()
        before = states(module)
        assert module.previews(grid._held_out, grid.count, grid.seed)
        assert_equal(states(module), before)


@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_a_run_with_grids_ends_as_one_without(request, trainer, tmp_path, kind):
    def train(*callbacks):
        torch.manual_seed(0)
        options = {"batch_norm": True} if kind == "gan" else {"variational": True}
        module = request.getfixturevalue(kind)(**options)
        trainer(max_epochs=-1, callbacks=[MaxImages(1600), *callbacks]).fit(module, Digits(8))
        return states(module)

    assert_equal(train(SampleGrid(128, tmp_path)), train())
    assert len(names(tmp_path)) > 10


def test_without_a_folder_or_a_logger_nothing_is_written(gan, trainer, tmp_path):
    grid = SampleGrid(64)
    trainer(max_epochs=-1, callbacks=[MaxImages(128), grid]).fit(gan(), Digits(8))
    assert (names(tmp_path), grid.latest) == ([], [])


def test_an_autoencoder_without_a_prior_shows_reconstructions_alone(autoencoder, trainer, tmp_path):
    module, data = autoencoder(), Digits(8)
    trainer(max_epochs=1, callbacks=[SampleGrid(None, tmp_path)]).fit(module, data)
    assert names(tmp_path) == ["reconstructions-000001408.png"]
    batch = data.on_after_batch_transfer(next(iter(data.val_dataloader())))
    with torch.no_grad():
        pairs = torch.stack([batch.x[:32], module.eval().reconstruct(batch.x[:32])], dim=1).flatten(0, 1)
    assert np.array_equal(pixels(next(tmp_path.iterdir())), preview(pairs, columns=8)[0].numpy())


def test_what_a_corruption_hides_is_shown_between_original_and_reconstruction(autoencoder, trainer, tmp_path):
    module, data = autoencoder(corruption=Masking(1.0)), Digits(8)
    trainer(max_epochs=1, callbacks=[SampleGrid(None, tmp_path, count=8)]).fit(module, data)
    x = data.on_after_batch_transfer(next(iter(data.val_dataloader()))).x[:4]
    with torch.no_grad():
        hidden = torch.full_like(x, -1)
        rows = torch.stack([x, hidden, module.eval().reconstruct(hidden)], dim=1).flatten(0, 1)
    assert np.array_equal(pixels(next(tmp_path.iterdir())), preview(rows, columns=12)[0].numpy())


def test_reconstructions_of_a_conditional_autoencoder_are_told_the_classes(autoencoder, trainer, tmp_path):
    options = {"conditioning": Concatenation(10)}
    module = autoencoder(
        encoder=DenseEncoder((1, 8, 8), 3, (16,), **options), decoder=DenseDecoder((1, 8, 8), 3, (16,), **options)
    )
    data = Digits(8)
    trainer(max_steps=1, callbacks=[SampleGrid(None, tmp_path)], val_check_interval=1).fit(module, data)
    x, labels = data.on_after_batch_transfer(next(iter(data.val_dataloader())))
    with torch.no_grad():
        pairs = torch.stack([x[:32], module.eval().reconstruct(x[:32], labels[:32])], dim=1).flatten(0, 1)
    assert np.array_equal(pixels(next(tmp_path.iterdir())), preview(pairs, columns=8)[0].numpy())


def test_the_name_of_its_class_is_beside_each_row_of_a_conditional_model(gan, trainer, tmp_path, monkeypatch):
    monkeypatch.setattr(Digits, "classes", tuple(f"kind {number}" for number in range(10)))
    module = gan(
        generator=DenseGenerator((1, 8, 8), 4, (16,), conditioning=Concatenation(10)),
        discriminator=DenseDiscriminator((1, 8, 8), (16,), conditioning=Concatenation(10)),
    )
    trainer(max_steps=1, callbacks=[SampleGrid(None, tmp_path, count=9)]).fit(module, Digits(8))
    labels = torch.arange(10).repeat_interleave(3)
    grid = preview(module.sample(30, labels, torch.Generator().manual_seed(0)), columns=3)
    names = tuple(f"kind {number}" for number in range(10))
    assert np.array_equal(pixels(next(tmp_path.iterdir())), with_names(grid, names)[0].numpy())


def test_an_autoencoder_without_held_out_images_shows_none(autoencoder, trainer, tmp_path):
    loader = DataLoader(torch.rand(64, 1, 8, 8), batch_size=16)
    trainer(max_epochs=1, callbacks=[SampleGrid(32, tmp_path)]).fit(autoencoder(variational=True), loader)
    assert names(tmp_path) == ["samples-000000032.png", "samples-000000064.png"]


def test_points_are_drawn_as_a_map(gan, trainer, tmp_path):
    networks = {"generator": DenseGenerator((2,), 4, (16,)), "discriminator": DenseDiscriminator((2,), (16,))}
    trainer(max_epochs=-1, callbacks=[MaxImages(64), SampleGrid(None, tmp_path)]).fit(gan(**networks), Ring())
    image = pixels(next(tmp_path.iterdir()))
    assert image.shape == (400, 400)
    assert (image == 255).any()
    assert (image < 255).sum() > 10
