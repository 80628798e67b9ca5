"""What a recipe that is named again changes of a run that is resumed."""

import pytest

from lightning_gen.cli.changes import Change, changes, sentence, unintended

HAD = {
    "class_path": "lightning_gen.GANModule",
    "init_args": {
        "generator": {"class_path": "lightning_gen.networks.DCGANGenerator", "init_args": {"width": 32}},
        "objective": {"class_path": "lightning_gen.objectives.Hinge", "init_args": {}},
        "generator_optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-4, "betas": (0.5, 0.999)}},
        "packing": None,
    },
}


def recipe(**arguments):
    return {"class_path": "GANModule", "init_args": arguments}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (recipe(generator={"class_path": "DCGANGenerator", "init_args": {"width": 32}}, objective="Hinge"), []),
        (recipe(objective="LSGAN"), [Change("model.objective", "Hinge", "LSGAN")]),
        (
            recipe(
                generator_optimizer={"class_path": "torch.optim.Adam", "init_args": {"lr": 4e-4, "betas": [0.5, 0.999]}}
            ),
            [Change("model.generator_optimizer.lr", 1e-4, 4e-4)],
        ),
        ({"class_path": "AutoencoderModule", "init_args": {}}, [Change("model", "GANModule", "AutoencoderModule")]),
    ],
)
def test_only_what_differs_is_listed(now, expected):
    assert list(changes(HAD, now, "model")) == expected


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], True),
        (["--model.generator_optimizer.lr", "0.3"], False),
        (["--model.generator_optimizer=SGD"], False),
        (["--model.generator_optimizer.betas", "[0, 0.9]"], True),
    ],
)
def test_what_an_option_names_is_intended(options, kept):
    change = Change("model.generator_optimizer.lr", 1e-4, 4e-4)
    assert unintended([change], options) == [change] * kept


def test_the_sentence_names_the_remedy():
    said = sentence([Change("data", "ImageFolder", "Digits")])
    assert said == (
        "--config changes what the run had: data ImageFolder -> Digits; leave out --config to resume it as it was"
    )
