"""Words of commands of their own: several inputs one after another, and flags without a value."""

import pytest

from lightning_gen.cli.parser import command_parser


def command(
    checkpoint: str,
    inputs: list[str],
    ends: list[str] | None = None,
    out: str = "out.npz",
    overwrite: bool = False,
) -> None:
    """Apply a model.

    Args:
        checkpoint: The model.
        inputs: What it is applied to.
        ends: What is joined.
        out: The product.
        overwrite: Whether it may replace a file.
    """


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["a.ckpt", "x"], {"inputs": ["x"], "overwrite": False}),
        (["a.ckpt", "x", "y", "--overwrite"], {"inputs": ["x", "y"], "overwrite": True}),
        (["a.ckpt", "--overwrite", "--out", "z", "x"], {"inputs": ["x"], "overwrite": True, "out": "z"}),
        (["a.ckpt", "x", "--overwrite", "false"], {"inputs": ["x"], "overwrite": False}),
        (["--overwrite", "a.ckpt", "x"], {"checkpoint": "a.ckpt", "inputs": ["x"], "overwrite": True}),
        (["a.ckpt", "--overwrite", "x", "y"], {"inputs": ["x", "y"], "overwrite": True}),
        (["--overwrite", "No", "a.ckpt", "x"], {"checkpoint": "a.ckpt", "inputs": ["x"], "overwrite": False}),
        (["--overwrite=false", "a.ckpt", "x"], {"checkpoint": "a.ckpt", "overwrite": False}),
        (["a.ckpt", "x"], {"ends": None}),
        (["a.ckpt", "x", "y", "--ends", "1", "-2", "3"], {"inputs": ["x", "y"], "ends": ["1", "-2", "3"]}),
        (["--ends", "a.png", "--out", "z", "a.ckpt", "x"], {"ends": ["a.png"], "inputs": ["x"], "out": "z"}),
    ],
)
def test_inputs_follow_each_other_and_a_flag_needs_no_value(words, found):
    parser = command_parser("apply", command)
    parsed = vars(parser.parse_args(parser.with_values(words)))
    assert {**parsed, **found} == parsed


def test_the_help_says_what_inputs_are(capsys):
    with pytest.raises(SystemExit):
        command_parser("apply", command).parse_args(["--help"])
    shown = capsys.readouterr().out
    assert "inputs [inputs ...]" in shown
    assert "What it is applied to." in shown
    assert "--ends ENDS [ENDS ...]" in shown
    assert "What is joined." in shown
