"""The command ``bench``: its metrics, its output, and that it leaves no files."""

import json
import sys

import pytest
import torch
from small_recipes import PRESETS, RECIPES, tiny

from lightning_gen import AutoencoderModule, InputError
from lightning_gen.bench import interleaving, options
from lightning_gen.bench.metrics import compared
from lightning_gen.bench.options import Option, applicable, verdict
from lightning_gen.bench.records import Run, Setting, Side, Spent
from lightning_gen.bench.reference_autoencoder import ReferenceAutoencoder
from lightning_gen.bench.run import measured
from lightning_gen.cli import fit, main
from lightning_gen.cli.dispatch import split
from lightning_gen.commands import bench as command
from lightning_gen.metrics import Report
from lightning_gen.networks import DenseGenerator

TINY = ["--model.generator.widths=[16]", "--model.discriminator.widths=[16]", "--data.size=8", "--data.batch_size=16"]
SHORT = ["--steps", "3", "--repeats", "2", "--switches", "false"]
WRITTEN = [
    *("gan/dcgan", "gan/rpgan", "gan/wgan_gp", "gan/dense", "gan/ring8", "gan/r3gan", "gan/sngan"),
    *("autoencoder/vae", "autoencoder/vq_vae", "autoencoder/dense", "autoencoder/convolutional"),
    *("autoencoder/sound", "autoencoder/sound_rq", "autoencoder/series_vae", "autoencoder/sigma_vae"),
    *("autoencoder/volumes", "gan/volumes", "gan/wavegan"),
]
"""Some of the recipes that have a reference loop."""
FIGURES = [
    *("step_ms", "bare_step_ms", "step_ratio", "processor_ratio", "images_per_second", "data_ms"),
    *("peak_memory_mb", "peak_memory_ratio", "first_step_s"),
]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def side(*milliseconds, memory=None):
    return Side(tuple(Spent(value / 1e3, 2 * value / 1e3) for value in milliseconds), memory)


def run(library, by_hand, **setting):
    options = {"precision": "32-true", "memory_format": "contiguous", "compiled": False, "redraws": False, **setting}
    return Run(library, by_hand, "no hands", 2.5, 0.004, Setting("chip", "cpu", batch_size=10, batches=2, **options))


def test_it_prints_and_writes_figures_with_their_card_and_nothing_else(tmp_path, capsys):
    main(["bench", *SHORT, "gan/dense", *TINY, "--output", "bench.json", "--trainer.precision", "bf16-mixed"])
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        f"round {n} of 2: 3 steps of gan/dense, and as many of a reference loop" for n in (1, 2)
    ]
    assert all(name in printed.out for name in FIGURES)
    assert "Trained on" not in printed.out, "the report of fit is left out"
    found = json.loads((tmp_path / "bench.json").read_text())
    figures, card = found["figures"], found["card"]
    assert list(figures) == FIGURES
    assert all(value > 0 for value in figures.values())
    spreads = card["spreads"]
    assert spreads["images_per_second"] == pytest.approx([16e3 / step for step in reversed(spreads["step_ms"])])
    assert spreads["step_ratio"][0] <= figures["step_ratio"] <= spreads["step_ratio"][1]
    expected = {"recipe": "gan/dense", "repeats": 2, "steps": 3, "precision": "bf16-mixed", "batch_size": 16}
    assert expected.items() <= card.items()
    assert card["options"] == " ".join([*(f"'{word}'" if "[" in word else word for word in TINY)]) + (
        " --trainer.precision bf16-mixed"
    )
    assert card["threads"] == torch.get_num_threads()
    assert card["versions"]["torch"] == torch.__version__
    assert card["meanings"].keys() == figures.keys()


def test_a_recipe_that_is_not_written_by_hand_has_the_other_figures(capsys):
    tiny = ["--model.encoder.widths=[16]", "--model.decoder.widths=[16]", "--data.size=8", "--data.batch_size=16"]
    main(["bench", "autoencoder/iwae", *tiny, *SHORT, "--output", "bench.json"])
    printed = capsys.readouterr().out
    assert "ImportanceWeightedBound is not in the" in " ".join(printed.split())
    assert "peak_memory_mb" in printed
    assert "step_ratio" not in printed


@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_both_sides_compute_in_the_precision_that_is_asked_for(precision, dtype, monkeypatch):
    seen = {}
    draw = DenseGenerator.draw

    def noted(self, latent, labels):
        drawn = draw(self, latent, labels)
        if self.training:  # the averaged one, which is not, draws the grid at the end
            seen.setdefault(id(self), set()).add(drawn.dtype)
        return drawn

    monkeypatch.setattr(DenseGenerator, "draw", noted)
    found = measured(fit, ["--config", "gan/dense", *TINY, "--trainer.precision", precision], 1, 2)
    assert found.setting.precision == precision
    assert list(seen.values()) == [{dtype}] * 2, "the library's generator and the copy"


@pytest.mark.parametrize(("wanted", "found"), [("true", "channels_last"), ("false", "contiguous")])
def test_the_weights_by_hand_lie_in_memory_as_the_librarys(wanted, found, monkeypatch):
    lie = []

    class Looking(ReferenceAutoencoder):
        def step(self):
            lie.extend(p.is_contiguous() for p in self.encoder.parameters() if p.ndim == 4 and p.shape[1] > 1)
            super().step()

    monkeypatch.setitem(interleaving.REFERENCE_LOOPS, AutoencoderModule, Looking)
    tiny = ["--model.encoder.width=4", "--model.decoder.width=4", "--data.size=16", "--data.batch_size=8"]
    run = measured(fit, ["--config", "autoencoder/convolutional", *tiny, "--channels_last", wanted], 1, 1)
    assert run.setting.memory_format == found
    assert set(lie) == {wanted == "false"}


@pytest.mark.parametrize(
    ("recipe", "found", "said"),
    [
        ("autoencoder/series_vae", None, "no convolutions in 2 or 3 dimensions"),
        ("autoencoder/volumes", "channels_last", "channels_last"),
    ],
)
def test_only_convolutions_in_two_and_three_dimensions_have_channels_last(recipe, found, said):
    size = [] if found is None else ["--data.size=16"]  # in a smaller network both formats are the same
    run = measured(fit, [*tiny(recipe), *size], 1, 1)
    assert run.setting.memory_format == found
    assert said in compared([run]).card["memory_format"]


@pytest.mark.parametrize(
    ("words", "redraws"),
    [
        (["gan/dense", *TINY], True),
        (["gan/dense", *TINY, "--model.shared_samples", "true"], False),
        (["gan/dense", *TINY, "--model.accumulate", "2"], False),
        (["autoencoder/dense", "--data.batch_size=16"], False),
    ],
)
def test_samples_are_drawn_twice_only_by_a_gan_that_could_share_them(words, redraws):
    assert measured(fit, ["--config", *words], 1, 1).setting.redraws == redraws


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [name for name in RECIPES if name not in PRESETS])
def test_every_recipe_can_be_measured_and_takes_little_more_memory_than_by_hand(recipe):
    found = measured(fit, tiny(recipe), 1, 1)
    assert found.library.memory > 0
    assert (found.reference is None) == bool(found.missing)
    if recipe in WRITTEN:
        assert found.library.memory / found.reference.memory < 1.1


# figures


def test_the_figures_are_medians_over_runs():
    runs = [run(side(30, 10, 20), side(10, 20, 10)), run(side(44), side(40)), run(side(36), side(30))]
    report = compared(runs)
    found = {measurement.name: measurement for measurement in report.measurements}
    assert found["step_ms"].value == pytest.approx(36)
    assert found["bare_step_ms"].value == pytest.approx(30)
    assert found["step_ratio"].value == pytest.approx(1.2)
    assert found["step_ratio"].spread == pytest.approx((1.1, 2.0))
    assert found["processor_ratio"].spread == pytest.approx((1.1, 1.5)), "means"
    assert found["images_per_second"].value == pytest.approx(20 / 0.036)
    assert found["data_ms"].value == pytest.approx(4)
    assert found["first_step_s"].value == 2.5
    assert report.omitted == {"peak_memory_mb": "it is not counted on cpu"}


def test_the_memory_is_that_of_the_first_run():
    report = compared([run(side(1, memory=3_300_000), side(1, memory=3_000_000)), run(side(1), side(1))])
    found = {measurement.name: measurement.value for measurement in report.measurements}
    assert found["peak_memory_mb"] == 3.3
    assert found["peak_memory_ratio"] == pytest.approx(1.1)


# options


def test_only_what_is_not_chosen_already_is_tried():
    def names(words=(), **setting):
        return [option.typed for option in applicable(run(side(1), None, **setting).setting, words)]

    bf16, compiled = "--trainer.precision bf16-mixed", "--compile true"
    assert names() == ["--channels_last true", bf16, compiled]
    assert names(memory_format="channels_last") == ["--channels_last false", bf16, compiled]
    assert names(memory_format=None) == [bf16, compiled]
    assert names(precision="bf16-mixed") == ["--channels_last true", compiled]
    assert names(memory_format=None, redraws=True) == [bf16, compiled, "--model.shared_samples true"]
    assert names(compiled=True) == ["--channels_last true", bf16]
    assert names(["--compile=false", "--channels_last", "true", "--compiled"]) == [bf16]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((20, 20), "1.5  (1.25 to 1.75) times as fast with --fast true (20 ms a step, 2.5 s to the first step): odd"),
        ((24, 36), "1.0069  (0.97222 to 1.0417) --fast true does not help here (30 ms a step)"),
    ],
)
def test_what_is_said_of_a_switch(steps, said):
    plain = [run(side(25), None), run(side(35), None)]
    found = verdict(Option("speedup", "fast", "true", "odd"), plain, [run(side(step), None) for step in steps])
    assert Report((found,)).to_text(200) == f"speedup  {said}"


def test_an_option_that_fails_says_why_and_the_rest_goes_on(monkeypatch, capsys):
    made = []

    def fails(fit, argv, warm_up, steps, beside=True):
        made.append((argv[-2:], beside))
        if "--channels_last" in argv:
            raise InputError("it has no channels")
        if "--compile" in argv and len(made) > 5:
            raise RuntimeError("no compiler any more\n  in a file\n")
        return run(side(10, memory=1), side(8, memory=1) if beside else None)

    for module in (options.__name__, command.__module__):
        monkeypatch.setattr(sys.modules[module], "measured", fails)
    main(["bench", "gan/dcgan", "--repeats", "2"])
    printed = capsys.readouterr()
    assert "no channels_last_speedup: with --channels_last true: it has no channels\n" in printed.out
    assert "no compile_speedup: with --compile true: no compiler any more\n" in printed.out
    assert "bf16_speedup" in printed.out
    assert [line.split()[-1] for line in printed.err.splitlines() if line.startswith("trying")] == [
        *("true", "bf16-mixed", "true"),
        *("bf16-mixed", "true"),
    ]
    plain = ["--config", "gan/dcgan"]
    assert made[:2] == [(plain, True), (plain, False)], "options are tried without a reference loop"
    assert made[5:7] == made[:2]


# bad input


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name a recipe after the command"),
        (["gan/dcgam"], "there is no recipe 'gan/dcgam', neither a file nor a short name; did you mean gan/dcgan"),
        (["gan/dcgan", "--output", "."], "--output . is a folder: give a file in it, such as bench.json"),
        (["gan/dcgan", "--steps", "0"], "--steps must be at least 1, not 0"),
        (["gan/dcgan", "--repeats=-1"], "--repeats must be at least 1, not -1"),
        (["gan/dcgan", "--repeats", "x"], "expected int and got x"),
        (["gan/dcgan", "--trainer.devices", "2"], "bench times one device: leave out --trainer.devices"),
        (["gan/dcgan", "--trainer.num_nodes=2"], "bench times one device: leave out --trainer.num_nodes"),
        (["gan/dcgan", "--model.generator.help"], "bench does not explain options: add --model.generator.help to"),
        (["gan/dcgan", "--model.generator.widht", "3"], "DCGANGenerator has no argument 'widht'; did you mean 'width'"),
        (["gan/dcgan", "--data.batch_size", "0"], "--data.batch_size must be at least 1, not 0"),
        (["gan/dcgan", "--outptu", "x.json"], "there is no option --outptu"),
        (["gan/dense", *TINY, "--trainer.max_epochs", "1"], "the run ended before 13 steps were measured: leave out"),
        (["gan/dense", *TINY, "--trainer.fast_dev_run", "1"], "the run ended before 13 steps were measured: leave out"),
    ],
)
def test_mistakes_are_told_in_one_sentence(words, sentence, tmp_path, capsys):
    short = [] if any(word.startswith(("--steps", "--repeats")) for word in words) else ["--steps=3", "--repeats=1"]
    with pytest.raises(SystemExit) as left:
        main(["bench", *words, *short, "--trainer.limit_train_batches=5"])
    assert left.value.code == 2
    *_, said = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ")
    assert sentence in said
    assert list(tmp_path.iterdir()) == []


def test_options_that_a_command_does_not_know_are_split_off_with_their_values():
    words = ["--output", "x", "a", "--model.b", "-1", "--c=d", "e", "--help", "--f"]
    own, others = split(words, ["output", "help"])
    assert own == ["--output", "x", "a", "e", "--help"]
    assert others == ["--model.b", "-1", "--c=d", "--f"]
