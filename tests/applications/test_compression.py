"""Compression by a quantizer: the file gives back the reconstructions, and belongs to its weights and tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from lightning_gen import AutoencoderModule
from lightning_gen.applications import (
    Trained,
    compress,
    fit_tables,
    index_tables,
    kept_tables,
    read_compressed,
    read_inputs,
)
from lightning_gen.applications.container import packed, unpacked
from lightning_gen.bottlenecks import FiniteScalarQuantizer, ResidualQuantizer, VectorQuantizer
from lightning_gen.contexts import evaluating
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.media.images import to_uint8
from lightning_gen.networks import Concatenation, DenseDecoder, DenseEncoder, ResidualDecoder, ResidualEncoder
from lightning_gen.objectives import GaussianLikelihood
from lightning_gen.regularizers import Commitment

pytest.importorskip("constriction")
SHAPE = (1, 8, 8)


@pytest.fixture(autouse=True)
def _short_fits(monkeypatch):
    monkeypatch.setattr(index_tables, "UPDATES", 10)


def mapped(bottleneck):
    return {
        "encoder": ResidualEncoder(SHAPE, bottleneck.features, width=4, downsamplings=2),
        "decoder": ResidualDecoder(SHAPE, bottleneck.latent_dim, width=4, downsamplings=2),
        "bottleneck": bottleneck,
    }


def dense(bottleneck, classes=None):
    conditioning = None if classes is None else Concatenation(classes)
    return {
        "encoder": DenseEncoder(SHAPE, bottleneck.features, (16,), conditioning=conditioning),
        "decoder": DenseDecoder(SHAPE, bottleneck.latent_dim, (16,), conditioning=conditioning),
        "bottleneck": bottleneck,
    }


MODELS = {
    "vq": lambda: mapped(VectorQuantizer(4, 16)),
    "rq": lambda: mapped(ResidualQuantizer(4, 8, depth=3)),
    "fsq": lambda: mapped(FiniteScalarQuantizer((5, 3))),
    "vector": lambda: dense(VectorQuantizer(4, 16)),
    "classes": lambda: dense(VectorQuantizer(4, 16), classes=10),
}


@pytest.fixture
def trained(trainer, tmp_path):
    """Open the checkpoint of a quantizer that was trained for some batches of digits."""

    def make(kind="vq", name="model.ckpt"):
        parts = MODELS[kind]()
        module = AutoencoderModule(**parts, objective={"error": GaussianLikelihood(), "commitment": Commitment()})
        runner = trainer(max_epochs=-1, max_steps=2, limit_val_batches=0)
        runner.fit(module, Digits(size=8))
        runner.save_checkpoint(tmp_path / name)
        return Trained.open(tmp_path / name)

    return make


def rebuilt(content):
    parts, same = zip(*content.batches(), strict=True)
    assert all(same)
    return torch.cat(parts)


@pytest.mark.parametrize("kind", MODELS)
def test_a_file_gives_the_reconstructions_to_the_bit(trained, tmp_path, kind):
    model = trained(kind)
    inputs = read_inputs(model, "test")
    result = compress(inputs, fit_tables(model))
    (tmp_path / "x.lgz").write_bytes(result.data)
    again = Trained.open(model.path)
    content = read_compressed(tmp_path / "x.lgz", again)
    (batch,) = inputs.batches()
    with evaluating(again.module), torch.no_grad():
        assert torch.equal(rebuilt(content), again.module.reconstruct(batch))
    assert content.header.listed_names() == list(inputs.names)


def test_the_rate_is_that_of_the_file_and_the_error_that_of_its_pixels(trained, tmp_path):
    model = trained()
    inputs = read_inputs(model, "test")
    result = compress(inputs, fit_tables(model))
    figures = {each.name: each.value for each in result.report("x").measurements}
    assert figures["bits_per_pixel"] == 8 * len(result.data) / (len(inputs) * 64)
    (tmp_path / "x.lgz").write_bytes(result.data)
    pixels = to_uint8(rebuilt(read_compressed(tmp_path / "x.lgz", model))).double() / 255
    (batch,) = inputs.batches()
    errors = mse_loss((batch.x.double() + 1) / 2, pixels, reduction="none").flatten(1).mean(1)
    assert figures["mse"] == pytest.approx(float(errors.mean()))
    assert figures["psnr_db"] == pytest.approx(float((10 * torch.log10(1 / errors)).mean()))


def test_batches_are_those_in_which_it_was_compressed(trained, tmp_path, monkeypatch):
    model = trained()
    tables = fit_tables(model)
    monkeypatch.setattr("lightning_gen.applications.inputs.LARGEST_BATCH", 50)
    (tmp_path / "x.lgz").write_bytes(compress(read_inputs(model, "test"), tables).data)
    monkeypatch.undo()
    parts = [x for x, _ in read_compressed(tmp_path / "x.lgz", model).batches()]
    assert [len(part) for part in parts] == [50, 50, 50, 30]


def test_tables_are_fitted_once_and_kept_with_the_weights(trained, trainer, tmp_path):
    model = trained()
    assert kept_tables(model) is None
    key = fit_tables(model).key
    again = Trained.open(model.path)
    assert kept_tables(again).key == key
    runner = trainer(max_epochs=-1, max_steps=3, limit_val_batches=0)
    module = AutoencoderModule.load_from_checkpoint(model.path)
    runner.fit(module, Digits(size=8), ckpt_path=model.path)
    runner.save_checkpoint(tmp_path / "later.ckpt")
    assert "index_tables" not in torch.load(tmp_path / "later.ckpt", weights_only=True)["lightning_gen"]
    assert kept_tables(Trained.open(tmp_path / "later.ckpt")) is None


def test_tables_of_another_process_stay(trained):
    """It has written files with them."""
    model = trained()
    late = Trained.open(model.path)
    key = fit_tables(model).key
    with pytest.raises(InputError, match="of another process meanwhile: the tables are not stored"):
        fit_tables(late, seed=1)
    assert kept_tables(Trained.open(model.path)).key == key


def test_other_weights_and_other_tables_are_refused(trained, tmp_path):
    model, other = trained(), trained(name="other.ckpt")
    (tmp_path / "x.lgz").write_bytes(compress(read_inputs(model, "test"), fit_tables(model)).data)
    with torch.no_grad():
        next(other.module.decoder.parameters()).add_(1e-3)
    with pytest.raises(InputError, match=r"written with other weights \(\w{8}\) than .*other.ckpt has \(\w{8}\): give"):
        read_compressed(tmp_path / "x.lgz", other)
    model.module.index_tables = {}
    with pytest.raises(InputError, match=r"written with the tables \w{8} and .* has no tables: give the file"):
        read_compressed(tmp_path / "x.lgz", model)
    stored = fit_tables_in_memory(model, seed=3)
    assert stored.encoded_by == model.module.code_key()
    with pytest.raises(InputError, match=r"and .* has those of \w{8}: give"):
        read_compressed(tmp_path / "x.lgz", model)


def fit_tables_in_memory(model, seed):
    tables = index_tables.IndexTables.fit(torch.randint(16, (9, 1, 2, 2)), (16,), model.module.code_key(), seed)
    model.module.index_tables = tables.described()
    return tables


def test_indices_that_another_coder_reads_otherwise_are_noticed(trained, tmp_path):
    model = trained()
    header, payload = unpacked(compress(read_inputs(model, "test"), fit_tables(model)).data, Path("x"))
    for changed in (bytes([*payload[:40], payload[40] ^ 1, *payload[41:]]), payload[:-8]):
        (tmp_path / "x.lgz").write_bytes(packed(header, changed))
        with pytest.raises(InputError, match=r"indices in .* are not those that were written|no indices"):
            read_compressed(tmp_path / "x.lgz", model)


def test_other_pixels_than_those_of_the_machine_that_compressed_are_told(trained, tmp_path):
    model = trained()
    header, payload = unpacked(compress(read_inputs(model, "test"), fit_tables(model)).data, Path("x"))
    (tmp_path / "x.lgz").write_bytes(packed(replace(header, pixels=(header.pixels[0] ^ 1,)), payload))
    ((_, same),) = read_compressed(tmp_path / "x.lgz", model).batches()
    assert not same


def test_a_checkpoint_that_cannot_be_written_gives_no_file_that_cannot_be_read(trained, monkeypatch):
    model = trained()

    def full(*args, **options):
        raise OSError("the disk is full")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match="the disk is full: the tables are not stored there, and a file could not"):
        fit_tables(model)


def test_codes_that_are_no_whole_numbers_and_models_without_codes_are_refused(autoencoder, gan):
    device = torch.device("cpu")
    with pytest.raises(
        InputError, match=r"IdentityBottleneck gives codes that are no whole numbers, .*sound_rq for sounds"
    ):
        kept_tables(Trained(autoencoder(), "a.ckpt", {}, device))
    with pytest.raises(InputError, match=r"a.ckpt is a GAN, which has no encoder"):
        kept_tables(Trained(gan(), "a.ckpt", {}, device))


def test_a_conditional_model_needs_classes_and_keeps_them(trained, tmp_path):
    model = trained("classes")
    tables = fit_tables(model)
    np.save(tmp_path / "x.npy", np.zeros((2, *SHAPE), np.uint8))
    with pytest.raises(InputError, match="trained with 10 classes and these samples have none"):
        compress(read_inputs(model, str(tmp_path / "x.npy")), tables)
    inputs = read_inputs(model, "test")
    header, _ = unpacked(compress(inputs, tables).data, Path("x"))
    assert list(header.labels) == inputs.labels.tolist()
    other = trained("vector", name="other.ckpt")
    assert unpacked(compress(read_inputs(other, "test"), fit_tables(other)).data, Path("x"))[0].labels is None
