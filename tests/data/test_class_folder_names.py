"""Names of sub-folders for classes: what file systems take, different everywhere, and classes to whoever reads them."""

import re
import unicodedata

import pytest

from lightning_gen.data import EMNIST, FashionMNIST
from lightning_gen.data.class_folders import class_folders
from lightning_gen.data.layout import Layout

REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f]|^\.|^ |[. ]$|^$|^(con|prn|aux|nul|(com|lpt)\d)(\..*)?$', re.IGNORECASE)
"""What Windows does not take, by its own list, and what is hidden elsewhere."""
NASTY = (
    *("T-shirt/top", "a/b", "a_b", "a\\b", "A", "a", "con", "Nul.png", "LPT1", ".hidden", "..", ".", "", " ", "dot."),
    *("new\nline", "esc\x1b[2J", "null\0", "what?", "\ud800", "é", "e\u0301", "ß", "SS", "ss", "x" * 300, "猫" * 100),
    *("train", "Test", "valid", "__", "a_b_2", "name "),
)


def test_names_that_file_systems_take_are_kept():
    names = ("cats", "ankle boots", "Größe", "猫", "a.b", "-x", "3")
    assert class_folders(len(names), names) == names


def test_a_name_for_each_class_that_every_file_system_takes():
    found = class_folders(len(NASTY), NASTY)
    assert len(found) == len(NASTY)
    for name in found:
        assert not REFUSED.search(name), name
        assert len(name.encode()) <= 255
    same = {unicodedata.normalize("NFC", name).casefold() for name in found}
    assert len(same) == len(found), "some file systems would not tell them apart"
    assert found[NASTY.index("a_b")] == "a_b", "a name that can be kept is, whatever other classes become"


def test_they_can_be_made_and_are_read_as_the_classes(tmp_path):
    found = class_folders(len(NASTY), NASTY)
    for name in found:
        (tmp_path / name).mkdir()
    assert {path.name for path in tmp_path.iterdir()} == set(found)
    places = Layout.of([f"{name}/000000.png" for name in found], "the folder").places
    assert [(place.split, place.label) for place in places] == [("train", name) for name in found]


def test_a_train_among_other_vehicles_is_no_split():
    assert class_folders(3, ("bus", "train", "ship")) == ("bus", "train", "ship")


@pytest.mark.parametrize("known", [2, 10, 11, 1000])
def test_numbers_are_sorted_as_they_count(known):
    found = class_folders(known)
    assert list(found) == sorted(found)
    assert [int(name) for name in found] == list(range(known))


def test_letters_of_both_cases_are_told_apart():
    names = EMNIST(split="byclass", download=False).classes
    found = class_folders(62, names)
    assert len({name.lower() for name in found}) == 62
    assert found[:10] == tuple("0123456789")
    assert class_folders(10, FashionMNIST.classes)[0] == "T-shirt_top"
