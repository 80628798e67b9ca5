"""The pictures with known answers: what a run without pairs may see, and what the figures say."""

import pytest
import torch
from known_answers import TASKS, baselines, thicker


@pytest.fixture(scope="module", params=["serif", "turned"])
def task(request):
    return TASKS[request.param]()


def test_no_picture_is_in_two_parts(task):
    rows = torch.cat(list(task.rows.values()))
    assert sorted(rows.tolist()) == list(range(len(task.names)))
    assert len(set(task.names)) == len(task.names)


def test_without_pairs_no_answer_is_seen(task, tmp_path):
    folders = task.folders(tmp_path)
    names = [{path.name for path in (folders[False] / "train" / side).iterdir()} for side in "AB"]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == len(task.rows["train"])
    pairs = [{path.name for path in (folders[True] / "train" / side).iterdir()} for side in "AB"]
    assert pairs[0] == pairs[1] == names[0] | names[1]


def test_right_answers_have_no_error_and_are_all_retrieved(task):
    answers = task.target[task.rows["test"]].float() / 255
    found = task.figures(answers, "test")
    assert (found["mae"], found["psnr_db"], found["retrieval"]) == (0, 100, 1)
    assert task.figures(1 - answers, "test")["mae"] == pytest.approx(float((1 - 2 * answers).abs().mean()), rel=1e-5)


def test_a_stroke_grows_by_a_pixel_to_the_right_and_then_to_the_bottom():
    picture = torch.ones(1, 1, 4, 4)
    picture[0, 0, 1, 1] = 0
    for pixels, black in ((1, [(1, 1), (1, 2)]), (2, [(1, 1), (1, 2), (2, 1), (2, 2)])):
        assert (thicker(picture, pixels)[0, 0] == 0).nonzero().tolist() == [list(each) for each in black]


def test_baselines_of_letters_alone_thicken():
    assert [len(baselines(TASKS[name]())) for name in ("bold", "turned")] == [3, 2]
