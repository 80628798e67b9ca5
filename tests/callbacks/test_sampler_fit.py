"""SamplerFit: a run that ends with a sampler, stops, goes on, and trains as a run without one."""

import os
import re
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small_recipes import tiny
from torch.utils.data import DataLoader, IterableDataset

from lightning_gen import AutoencoderModule
from lightning_gen import checkpoint as checkpoints
from lightning_gen.applications import Trained
from lightning_gen.bottlenecks import GaussianBottleneck
from lightning_gen.callbacks import MaxImages, SampleGrid, SamplerFit
from lightning_gen.cli import main
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.media.rows import with_names
from lightning_gen.networks import ResidualDecoder, ResidualEncoder
from lightning_gen.objectives import GaussianLikelihood
from lightning_gen.regularizers import KLDivergence
from lightning_gen.samplers import FlowSampler, GaussianMixtureSampler, RectifiedFlowSampler
from lightning_gen.samplers import rectified_flow as rectified_flow_module

RECIPE = "autoencoder/latent_diffusion"
SMALL = {"width": 8, "updates": 3}
"""Arguments of the sampler in the small recipe."""
LARGE = ("--data=Digits", "--data.size=64", "--data.batch_size=8")


@pytest.fixture
def fit(tmp_path):
    """Run ``fit`` with the small recipe; returns the file of the run's last state."""

    def run(name, *words, images=64):
        main(["fit", *tiny(RECIPE), f"--name={name}", f"--runs_dir={tmp_path}", f"--max_images={images}", *words])
        return tmp_path / name / "checkpoints" / "last.ckpt"

    return run


def go_on(path, *words):
    main(["fit", f"--ckpt_path={path}", *words])


def flow_of(path):
    return AutoencoderModule.load_from_checkpoint(path).fitted_sampler(RectifiedFlowSampler)


def assert_equal(one, other):
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_a_run_ends_with_the_sampler_that_is_fitted_to_a_run_without_one(fit):
    """Training is the same to the bit, and so is the sampler that is fitted to what it gave."""
    having, without = fit("having"), fit("without", "--sampler=null")
    states = [checkpoints.read(path)["state_dict"] for path in (having, without)]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    trained = Trained.open(without)
    assert trained.module.held_sampler() is None
    assert_equal(flow_of(having), trained.module.fit_sampler(RectifiedFlowSampler(**SMALL), trained.data()))


def test_a_fit_that_is_stopped_goes_on_where_it_was(fit, capsys, monkeypatch):
    monkeypatch.setattr(rectified_flow_module, "REPORT_EVERY_SECONDS", -1.0)
    whole = fit("whole", "--sampler.updates=6")
    error, updates = RectifiedFlowSampler.error, []

    def stopped(*arguments):
        updates.append(1)
        if len(updates) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return error(*arguments)

    monkeypatch.setattr(RectifiedFlowSampler, "error", stopped)
    with pytest.raises(SystemExit) as end:
        fit("stopped", "--sampler.updates=6")
    assert end.value.code == 130
    path = whole.parents[2] / "stopped" / "checkpoints" / "last.ckpt"
    told = capsys.readouterr().err
    assert f"64 images and what was fitted so far are in {path}; resume with\n" in told
    assert "start the same command again" not in told
    assert re.search(rf"lightning_gen fit --ckpt_path {re.escape(str(path))}$", told, re.MULTILINE)
    assert flow_of(path) is None
    go_on(path)
    assert "going on after 4 of 6 updates" in capsys.readouterr().err
    assert len(updates) == 5 + 2
    assert_equal(flow_of(path), flow_of(whole))
    assert not checkpoints.read(path)["lightning_gen"]["begun_fits"]


def test_a_run_that_has_its_sampler_fits_none_and_one_with_more_images_another(fit, capsys):
    path = fit("run", "--model.scheduler=null")
    said = capsys.readouterr()
    assert "Fitted RectifiedFlowSampler to the codes in 0 min" in said.out
    assert re.search(r"^  \S+ -m lightning_gen sample \S+/last.ckpt$", said.out, re.MULTILINE)
    first = flow_of(path)
    go_on(path)
    said = capsys.readouterr()
    assert "There was nothing to train" in said.out
    assert "itting" not in said.err
    assert_equal(flow_of(path), first)
    go_on(path, "--max_images=96")
    assert "fitting RectifiedFlowSampler to the codes" in capsys.readouterr().err
    assert not torch.equal(flow_of(path).velocity.first.weight, first.velocity.first.weight)
    go_on(path, "--sampler.updates=2")
    said = capsys.readouterr()
    assert "There was nothing to train" in said.out
    assert "Fitted RectifiedFlowSampler to the codes" in said.out
    assert flow_of(path).updates == 2


def test_the_last_samples_are_drawn_by_it(fit, tmp_path):
    path = fit("run", "--sample_every_images=32")
    drawn = sorted(file.name for file in (tmp_path / "run" / "samples").iterdir())
    assert drawn == ["reconstructions-000000032.png", "reconstructions-000000064.png", "samples-000000064.png"]
    module = AutoencoderModule.load_from_checkpoint(path)
    preview = module.previews(None, 64, 0)["samples"]
    shown = with_names(module.medium.preview(preview.samples, preview.columns), preview.names)
    file = np.asarray(Image.open(tmp_path / "run" / "samples" / drawn[-1]))
    assert len(preview.names) == 10, "it learned the classes of the digits"
    assert np.array_equal(file.reshape(shown.shape[1], shown.shape[2], -1), shown.permute(1, 2, 0).numpy())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--config=gan/dcgan", "--data.size=8", "--sampler=RectifiedFlowSampler"],
            "fitted to the codes of an autoenc",
        ),
        (["--config=autoencoder/sigma_vae", *LARGE, "--sampler=FlowSampler"], "codes of 1,024 numbers are too wide"),
        ([*tiny(RECIPE), "--sampler=rectifed_flow"], "did you mean 'RectifiedFlowSampler'"),
        (
            ["--config=autoencoder/vae", "--data.size=8", "--sampler=gmm", "--sampler.components=2000"],
            "of fit: --sampler.components 84",
        ),
        ([*tiny(RECIPE), "--sampler.updats=3"], "did you mean 'updates'"),
        ([*tiny(RECIPE), "--sampler.updates=0"], "above 0"),
    ],
)
def test_what_cannot_be_fitted_is_told_before_anything_is_trained(words, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["fit", *words, f"--runs_dir={tmp_path}/runs", "--max_images=64"])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def of_maps():
    encoder = ResidualEncoder((1, 8, 8), 4, width=4, downsamplings=1)
    decoder = ResidualDecoder((1, 8, 8), 2, width=4, downsamplings=1)
    terms = {"reconstruction": GaussianLikelihood(), "kl": KLDivergence()}
    return AutoencoderModule(encoder, decoder, GaussianBottleneck(2), terms)


def loader():
    data = Digits(size=8)
    data.setup()
    return DataLoader([(x.float() / 127.5 - 1) for x in data.train_set[:64].x], batch_size=8)


def test_other_loaders_are_read_and_without_a_checkpoint_the_module_keeps_it(trainer):
    callback, module = SamplerFit(RectifiedFlowSampler(**SMALL)), of_maps()
    trainer(max_epochs=1, callbacks=[callback]).fit(module, loader())
    assert callback.seconds > 0
    assert_equal(module.held_sampler(), callback.sampler)


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.zeros(1, 8, 8)


def test_data_without_an_end_are_refused_before_training(trainer):
    runner = trainer(max_epochs=1, callbacks=[SamplerFit(RectifiedFlowSampler(**SMALL))])
    module = of_maps()
    with pytest.raises(InputError, match="has no end"):
        runner.fit(module, DataLoader(Endless(), batch_size=8))
    assert module.images_seen == 0


def test_of_several_processes_each_must_read_the_whole_split():
    two = SimpleNamespace(world_size=2, datamodule=None)
    with pytest.raises(InputError, match="needs a DataModule of lightning_gen"):
        SamplerFit(RectifiedFlowSampler()).on_fit_start(two, of_maps())


@pytest.mark.parametrize("word", ["--sampler=gmm", "--sampler=GaussianMixtureSampler"])
def test_a_model_with_a_prior_draws_by_what_its_run_fitted(word, tmp_path, capsys):
    vae = ("--config=autoencoder/vae", "--model.encoder.width=4", "--model.decoder.width=4", "--data.size=8")
    main(["fit", *vae, word, "--sampler.components=2", "--max_images=64", f"--runs_dir={tmp_path}"])
    path = tmp_path / "vae" / "checkpoints" / "last.ckpt"
    module = AutoencoderModule.load_from_checkpoint(path)
    sampler = module.held_sampler()
    assert sampler.components == 2
    assert module.previews(None, 4, 0)["samples"].samples.shape == (4, 1, 8, 8)
    main(["sample", str(path), "--n=3", f"--out={tmp_path}/x.npy"])
    assert "drawn by --sampler gmm, which the checkpoint holds" in capsys.readouterr().err
    drawn = module.sample(3, generator=torch.Generator().manual_seed(0), sampler=sampler)
    module.medium.write(drawn, tmp_path / "y.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.load(tmp_path / "y.npy"))


def test_options_of_draws_change_without_a_fit(fit, capsys):
    path = fit("run", "--sampler.updates=3")
    capsys.readouterr()
    go_on(path, "--sampler.guidance=3")
    told = capsys.readouterr().err
    assert "fitting" not in told
    assert "draws by RectifiedFlowSampler with these options from now on" in told
    assert flow_of(path).guidance == 3


def test_a_checkpoint_that_is_gone_is_told_as_an_error(fit, tmp_path, capsys, monkeypatch):
    keep = RectifiedFlowSampler.fit_standard

    def removing(*arguments):
        (tmp_path / "run" / "checkpoints" / "last.ckpt").unlink()
        keep(*arguments)

    monkeypatch.setattr(RectifiedFlowSampler, "fit_standard", removing)
    with pytest.raises(SystemExit) as end:
        fit("run")
    assert end.value.code == 1
    assert "RectifiedFlowSampler was fitted and cannot be kept" in capsys.readouterr().err


def test_several_states_are_kept_with_the_newest_the_same_file(fit):
    path = fit("run", "--keep_checkpoints=2")
    assert path.samefile(path.with_name("images-000000064.ckpt"))


def test_other_samplers_are_fitted_too(trainer):
    module, sampler = of_maps(), GaussianMixtureSampler(components=2)
    trainer(max_epochs=-1, callbacks=[MaxImages(16), SampleGrid(), SamplerFit(sampler)]).fit(module, Digits(size=8))
    assert module.fitted_sampler(GaussianMixtureSampler, components=2) is not None
    assert module.fitted_sampler(FlowSampler) is None
    assert module.suggested_sampler == "gmm"
    assert module.unfitted_sampler is None
