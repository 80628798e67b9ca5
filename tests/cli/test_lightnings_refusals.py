"""What Lightning and torch really refuse while a command runs, in their words of today, is one sentence."""

import pytest

from lightning_gen.cli import main

SMALL = (
    *("--config=gan/dense", "--data=Digits", "--data.size=8", "--max_images=64", "--sample_every_images=null"),
    *("--trainer.limit_val_batches=1", "--model.generator.widths=[4]", "--model.discriminator.widths=[4]"),
)
ONE_CYCLE = "torch.optim.lr_scheduler.OneCycleLR"


def own(name, **arguments):
    return [f"--trainer.callbacks+={name}", *(f"--trainer.callbacks.{key}={value}" for key, value in arguments.items())]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--trainer.val_check_interval=1000"],
            "--trainer.val_check_interval 1000 is more than the 22 batches of an epoch: set it to 22 or less",
        ),
        (own("LearningRateFinder"), "and set --model.optimizer.lr, or --model.generator_optimizer.lr and --model.disc"),
        (own("BatchSizeFinder", init_val=2000), "set its init_val and its max_val to 1437 or less"),
        (own("SpikeDetection"), "these steps return none: leave it out, --nonfinite_rollbacks goes back after"),
        (own("BackboneFinetuning"), "unfreezes a part that is called backbone, and this module has none: leave it out"),
        (
            [*own("EarlyStopping", monitor="val/mes"), "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"],
            "EarlyStopping waits for 'val/mes', which is not logged: set its monitor to one of ",
        ),
        (
            [*own("ModelCheckpoint", monitor="val/mes"), "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"],
            "ModelCheckpoint waits for 'val/mes', which is not logged: set its monitor to one of ",
        ),
        (
            [f"--model.generator_scheduler={ONE_CYCLE}", "--model.generator_scheduler.max_lr=0.1"],
            "counts updates, one for each batch, such as total_steps: 1000",
        ),
        (["--trainer.accelerator=tpu"], "set --trainer.accelerator to auto or cpu"),
        (["--trainer.devices=-1"], "set it to auto or to at least 1"),
        (["--trainer.max_time=5"], "write days:hours:minutes:seconds, such as 00:12:00:00"),
    ],
    ids=lambda value: value[0][:50] if isinstance(value, list) else "",
)
def test_a_refusal_is_a_sentence_with_its_remedy(tmp_path, capsys, words, expected):
    with pytest.raises(SystemExit) as end:
        main(["fit", *SMALL, f"--runs_dir={tmp_path}", "--trainer.accelerator=cpu", *words])
    assert end.value.code == 2
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert expected in sentence
