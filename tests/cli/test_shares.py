"""Shares of a run in recipes and options: numbers once the length of the run is known."""

import pytest
import yaml

from lightning_gen import InputError
from lightning_gen.cli import main, shares

SCHEDULE = """
model:
  class_path: AutoencoderModule
  init_args:
    encoder: {class_path: ConvEncoder, init_args: {width: 4}}
    bottleneck: {class_path: GaussianBottleneck, init_args: {latent_dim: 4}}
    decoder: {class_path: ConvDecoder, init_args: {width: 4}}
    objective:
      reconstruction: BernoulliLikelihood
      kl: {class_path: KLDivergence, init_args: {weight: {class_path: Linear, init_args: {end_images: 12.5%}}}}
data: {class_path: Digits, init_args: {size: 8, batch_size: 8}}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SCHEDULE)
    return "--config=mine.yaml"


def printed(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(["fit", *words, "--print_config"])
    assert end.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


def end_of(config):
    return config["model"]["init_args"]["objective"]["kl"]["init_args"]["weight"]["init_args"]["end_images"]


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (["--max_images=800"], 100),
        (["--max_images", "1_600"], 200),
        (["--max_images=100", "--max_images=400"], 50),
        (["--max_images=800", "--model.objective.kl.weight.end_images=50%"], 400),
        (["--max_images=800", "--model.objective.kl.weight.end_images", "0.5 %"], 4),
        (["--max_images=800", "--model.objective.kl.weight.end_images=77"], 77),
        (["--max_images=80", "--model.objective.kl.weight", "{class_path: Linear, init_args: {end_images: 25%}}"], 20),
        (['--model.objective.kl.weight={class_path: Linear, init_args: {"end_images": "25%"}}', "--max_images=80"], 20),
    ],
)
def test_the_end_of_a_schedule_follows_the_length_of_the_run(words, end, recipe, capsys):
    assert end_of(printed(capsys, recipe, *words)) == end


def test_the_length_of_a_later_recipe_counts_unless_it_has_none(recipe, tmp_path, capsys):
    (tmp_path / "long.yaml").write_text("max_images: 8000")
    assert end_of(printed(capsys, recipe, "--config=long.yaml")) == 1000
    assert end_of(printed(capsys, recipe, "--config=long.yaml", "--config=trainer/smoke")) == 1000


def test_a_share_of_an_unknown_length_is_refused(recipe, capsys):
    with pytest.raises(SystemExit) as end:
        main(["fit", recipe])
    assert end.value.code == 2
    assert (
        "end_images is 12.5% of a run whose length in images is unknown: give --max_images" in capsys.readouterr().err
    )


def test_a_run_keeps_numbers_when_it_is_resumed_and_says_what_a_recipe_changes(recipe, capsys, tmp_path):
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
    main(["fit", recipe, "--max_images=80", *quiet])
    config = yaml.safe_load((tmp_path / "runs/mine/config.yaml").read_text())
    assert end_of(config) == 10
    capsys.readouterr()
    main(["fit", recipe, "--max_images=80", "--ckpt_path=last", *quiet])
    assert "changes what the run had" not in capsys.readouterr().err
    main(["fit", recipe, "--max_images=160", "--ckpt_path=last", *quiet])
    assert "end_images 10 -> 20; leave out --config to resume it as it was" in capsys.readouterr().err
    main(["fit", "--name=mine", "--max_images=240", "--ckpt_path=last", *quiet])
    assert end_of(yaml.safe_load((tmp_path / "runs/mine/config.yaml").read_text())) == 20


def test_only_counts_of_images_have_shares():
    content = {"lr": "50%", "parts": [{"start_images": "50%", "note": "100%"}]}
    assert shares.resolved(content, 30) == {"lr": "50%", "parts": [{"start_images": 15, "note": "100%"}]}
    with pytest.raises(InputError, match="start_images is 50%"):
        shares.resolved(content, None)
