"""Messages of jsonargparse, and the sentences to which they are shortened."""

import pytest

from lightning_gen.cli.messages import explain


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("unrecognized arguments: --trainer.max_epoch=3", "there is no option --trainer.max_epoch; did you mean"),
        ("Subcommand 'fit' does not accept option 'trainer.max_epoch'", "did you mean --trainer.max_epochs?"),
        (
            "Problem with given class_path 'lightning_gen.GANModule':\n  Parser key \"generator\":\n"
            "    Problem with given class_path 'lightning_gen.networks.DCGANGenerator':\n"
            "      Option 'wdth' is not accepted",
            "DCGANGenerator has no argument 'wdth'; did you mean 'width'?",
        ),
        (
            "Problem with given class_path 'lightning_gen.data.ImageFolder':\n"
            "  the following arguments are required: folder",
            "ImageFolder needs 'folder', which was not given",
        ),
        (
            'Parser key "data":\n  Parser key "size":\n    Expected a <class \'int\'>. Got value: abc',
            "--data.size: expected int",
        ),
        (
            "Parser key \"max_images\":\n  Errors:\n    - Expected a <class 'int'>\n"
            "    - Expected a <class 'NoneType'>\n  Given value type: <class 'str'>\n  Given value: x",
            "--max_images: expected int and got x",
        ),
        (
            "Parser key \"max_images\":\n  Errors:\n    - Expected a <class 'int'>\n"
            "    - Expected a <class 'NoneType'>\n  Given value type: <class 'float'>\n  Given value: 100000.0",
            "--max_images: expected int and got 100000.0: write 100000",
        ),
        (
            'Parser key "widths":\n  Expected a Sequence. Got value: 5',
            "--widths: expected Sequence and got 5: write [5]",
        ),
        ("something else\nthat nobody foresaw", "that nobody foresaw"),
    ],
)
def test_a_long_message_becomes_one_sentence(message, expected):
    sentence = explain(message, ["trainer.max_epochs", "trainer.max_steps"])
    assert sentence.startswith(expected) or expected in sentence
    assert "\n" not in sentence
