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
        "generator_scheduler": None,
        "ema": {"half_life_images": 500, "ramp_up": None},
        "penalties": {"r1": {"class_path": "lightning_gen.regularizers.R1", "init_args": {"weight": 1.0}}},
    },
}

EMA = "model.ema.half_life_images"


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
        (
            recipe(generator_scheduler={"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"gamma": 1}}),
            [Change("model.generator_scheduler", None, "StepLR")],
        ),
        (
            recipe(packing=2),
            [Change("model.packing", None, 2)],
        ),
        (recipe(objective=None), [Change("model.objective", "Hinge", None)]),
        (recipe(generator_scheduler=None, packing=None), []),
        (recipe(unknown_then="StepLR"), []),
        (
            recipe(penalties={"r1": {"class_path": "R1", "init_args": {"weight": 2.0}}, "r2": {"class_path": "R2"}}),
            [Change("model.penalties.r1.weight", 1.0, 2.0), Change("model.penalties.r2", None, "R2")],
        ),
        (recipe(ema={"half_life_images": 500.0}), []),
        (recipe(ema={"class_path": "EMA", "init_args": {"half_life_images": 900}}), [Change(EMA, 500, 900)]),
        (recipe(generator_optimizer={"class_path": "Adam", "init_args": {"lr": "1e-4", "betas": ["5e-1", 0.999]}}), []),
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
    said = sentence([Change("data", "ImageFolder", "Digits"), Change("model.packing", None, 2)])
    assert said == (
        "--config changes what the run had: data ImageFolder -> Digits; model.packing null -> 2; leave out --config to "
        "resume it as it was"
    )
