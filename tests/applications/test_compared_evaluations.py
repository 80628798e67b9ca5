"""Evaluations beside each other: known cards in, exact tables out."""

import csv
import io
import json
import statistics

import pytest
from scipy.stats import t

from lightning_gen.applications.comparison import EVERYWHERE, MODEL, RESULTS, T975, TOPICS, compared
from lightning_gen.applications.comparison_tables import FOOT, to_csv, to_html, to_markdown, to_text
from lightning_gen.applications.evaluations import read_evaluations
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.evaluation import assess

MEANINGS = {"mse": "mean squared error, lower is better", "precision": "quality, higher is better"}


def card(folder, name, figures, checkpoint=None, seed=0, **topics):
    """A file as `evaluate` writes it."""
    data = {"class_path": "lightning_gen.data.Digits", "init_args": {"size": 8, "seed": 0, "batch_size": 64}}
    found = {"checkpoint": checkpoint or f"{name}.ckpt", "module": "M", "images_seen": 1000, "data": data}
    found |= {"features": {"samples": 100, "seed": seed}, "meanings": MEANINGS, **topics}
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"figures": figures, "card": found}))
    return str(path)


def run(folder, name, configuration, figures, seed=0, evaluation="evaluation", **topics):
    """A folder of a run with an evaluation."""
    place = folder / name
    (place / "checkpoints").mkdir(parents=True, exist_ok=True)
    (place / "config.yaml").write_text(f"seed_everything: {seed}\nname: {name}\nmodel: {configuration}\n")
    card(place, evaluation, figures, str(place / "checkpoints" / "last.ckpt"), **topics)
    return str(place)


def table(*words, baseline=None):
    return compared(read_evaluations(list(words)), baseline)


def test_the_table_of_known_cards(tmp_path):
    one = card(tmp_path, "one", {"mse": 0.5, "precision": 0.25, "precision_ceiling": 0.75, "pca_mse": 1.5})
    two = card(tmp_path, "two", {"mse": 0.25, "precision": 0.5, "precision_ceiling": 0.75, "pca_mse": 1.5})
    assert to_markdown(table(one, two, baseline="one")) == (
        "| | mse ↓ | precision ↑ |\n"
        "| --- | ---: | ---: |\n"
        "| one (baseline), 1,000 images | 0.5 | 0.25 |\n"
        "| two, 1,000 images | 0.25 (-0.25) | 0.5 (+0.25) |\n"
        "| PCA | 1.5 |  |\n"
        "| real data |  | 0.75 |\n"
        "\n" + FOOT + "\n"
    )


def test_unlike_protocols_stand_in_columns_of_their_own_with_the_difference_above(tmp_path):
    one = card(tmp_path, "one", {"mse": 0.5, "precision": 0.25})
    two = card(tmp_path, "two", {"mse": 0.25, "precision": 0.5}, features={"samples": 50, "seed": 0})
    found = table(one, two)
    assert [(column.figure, column.differences) for column in found.columns] == [
        ("mse", {}),
        ("precision", {"samples": "100"}),
        ("precision", {"samples": "50"}),
    ]
    assert {place for place, cell in found.cells.items()} == {(0, 0), (0, 1), (1, 0), (1, 2)}
    assert "samples 100\n" in to_text(found, 120)


def test_seeds_of_a_measurement_and_training_batches_make_no_protocol_but_the_split_does(tmp_path):
    def data(**arguments):
        init_args = {"size": 8, "seed": 0, "batch_size": 64} | arguments
        return {"data": {"class_path": "lightning_gen.data.Digits", "init_args": init_args}}

    words = [
        card(tmp_path, "one", {"precision": 0.25}),
        card(tmp_path, "batch", {"precision": 0.25}, seed=7, **data(batch_size=2)),
        card(tmp_path, "split", {"precision": 0.25}, **data(seed=1)),
    ]
    found = table(*words)
    assert [column.differences for column in found.columns] == [{"seed": "0"}, {"seed": "1"}]
    assert found.notes == ("split shares no figure measured the same way with another model",)


def test_a_meaning_that_says_what_is_not_to_be_compared_separates(tmp_path):
    one = card(tmp_path, "one", {"mse": 1, "precision": 1})
    two = card(tmp_path, "two", {"mse": 1, "precision": 1}, meanings=MEANINGS | {"mse": "of grey pixels"})
    assert [column.figure for column in table(one, two).columns] == ["mse", "precision", "mse"]


def test_likelihoods_and_cross_entropies_are_kept_apart_in_all_their_units(tmp_path):
    figures = {"elbo_nats": -1.0, "bits_per_dim": 1.0, "nll_nats": 1.0, "mse": 1.0}
    words = [
        card(tmp_path, name, figures, meanings=MEANINGS | {"elbo_nats": f"a bound{note}"})
        for name, note in (("gaussian", ""), ("bernoulli", "; a cross-entropy"))
    ]
    assert [column.figure for column in table(*words).columns].count("nll_nats") == 2
    assert [column.figure for column in table(*words).columns].count("bits_per_dim") == 2
    assert [column.figure for column in table(*words).columns].count("mse") == 1


def test_runs_of_one_configuration_are_a_row_with_mean_and_deviation(tmp_path):
    values = [0.5, 0.25, 0.125]
    words = [run(tmp_path, f"vae_{seed}", "a", {"mse": value}, seed) for seed, value in enumerate(values)]
    words.append(run(tmp_path, "other", "b", {"mse": 4.0}))
    found = table(*words)
    assert [(row.name, row.detail) for row in found.rows] == [
        ("vae", "3 runs, 1,000 images"),
        ("other", "1,000 images"),
    ]
    cell = found.cells[0, 0]
    low, high = t.interval(0.95, 2, statistics.fmean(values), statistics.stdev(values) / 3**0.5)
    assert (cell.mean, cell.deviation) == (statistics.fmean(values), statistics.stdev(values))
    assert cell.interval == pytest.approx((low, high), abs=1e-3)
    assert not cell.best, "the interval of the other is not known"


def test_evaluations_of_a_run_count_once_beside_other_runs(tmp_path):
    for seed, value in enumerate((1.0, 3.0)):
        run(tmp_path, "vae_0", "a", {"mse": value}, evaluation=f"seed_{seed}", seed=0, features={"seed": seed})
    run(tmp_path, "vae_1", "a", {"mse": 4.0}, seed=1)
    found = table(str(tmp_path / "vae_0"), str(tmp_path / "vae_1"))
    assert (found.cells[0, 0].mean, found.cells[0, 0].count) == (3.0, 2)
    alone = table(str(tmp_path / "vae_0"))
    assert alone.rows[0].detail == "2 evaluations, 1,000 images"
    assert (alone.cells[0, 0].mean, alone.cells[0, 0].count) == (2.0, 2)


def test_a_copy_of_an_evaluation_is_not_a_second_one(tmp_path):
    one = run(tmp_path, "vae", "a", {"mse": 1.0})
    (tmp_path / "copy.json").write_text((tmp_path / "vae" / "evaluation.json").read_text())
    assert len(read_evaluations([one, str(tmp_path / "copy.json"), one])) == 1


@pytest.mark.parametrize(("gap", "best"), [(0.01, False), (10.0, True)])
@pytest.mark.parametrize("figure", ["mse", "precision"])
def test_the_best_is_marked_only_where_intervals_are_apart(tmp_path, figure, gap, best):
    words = []
    for name, centre in (("low", 1.0), ("high", 1.0 + gap)):
        words += [
            run(tmp_path, f"{name}_{seed}", name, {figure: centre + 0.1 * seed, f"{figure}_floor": 0.0}, seed)
            for seed in range(3)
        ]
    found = table(*words)
    winner = 0 if figure == "mse" else 1
    assert [found.cells[row, 0].best for row in range(3)] == [best and row == winner for row in (0, 1, 2)]
    assert ("<b>" in to_html(found)) is best


def test_the_quantiles_are_those_of_student():
    assert [pytest.approx(t.ppf(0.975, degrees), abs=6e-4) for degrees in range(1, 31)] == list(T975)


def test_the_order_of_evaluations_changes_no_number(tmp_path):
    words = [card(tmp_path, name, {"mse": value}) for name, value in (("a", 0.1), ("b", 0.2), ("c", 0.3))]

    def numbers(order):
        found = table(*order)
        return {
            (found.rows[row].name, found.columns[column].figure): cell for (row, column), cell in found.cells.items()
        }

    assert numbers(words) == numbers(words[::-1])


def test_values_that_are_not_finite_are_shown(tmp_path):
    one = card(tmp_path, "one", {"mse": None}, not_finite={"mse": "inf"})
    assert "| one, 1,000 images | inf |" in to_markdown(table(one))


def test_csv_has_a_line_for_each_number(tmp_path):
    one = card(tmp_path, "one", {"mse": 0.5, "mse_floor": 0.125})
    lines = list(csv.DictReader(io.StringIO(to_csv(table(one)))))
    assert [(line["row"], line["kind"], line["figure"], float(line["mean"])) for line in lines] == [
        ("one", "model", "mse", 0.5),
        ("real data", "floor or ceiling", "mse", 0.125),
    ]


def test_names_cannot_break_a_table(tmp_path):
    words = [card(tmp_path, "<script>a|b", {"mse": 1.0}), card(tmp_path, "two", {"mse": 1.0})]
    found = table(*words)
    assert "<script>" not in to_html(found)
    lines = to_markdown(found).splitlines()
    assert [line.replace("\\|", "").count("|") for line in lines[:4]] == [3, 3, 3, 3]


def test_unlike_evaluations_are_refused(tmp_path):
    one, two = card(tmp_path, "vae", {"mse": 1.0}), card(tmp_path, "gan", {"precision": 1.0})
    with pytest.raises(InputError, match=r"vae.json and .*gan.json share no figure measured the same way: evaluate"):
        table(one, two)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "nothing is given to compare"),
        (["missing.json"], "there is no missing.json"),
        (["last.ckpt"], "evaluate the model first, lightning_gen evaluate last.ckpt --output last.json"),
        (["text.txt"], "give a .json file that evaluate"),
        (["broken.json"], "cannot be read as JSON"),
        (["list.json"], "holds no figures with a card"),
        (["words.json"], "figures that are no numbers"),
        (["run"], "run holds no evaluation: run lightning_gen evaluate run --output run/evaluation.json first"),
        (["runs"], r"runs holds runs and is none: give them one after another, runs/\*"),
    ],
)
def test_bad_input_gets_a_sentence(tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    for place in ("run/checkpoints", "runs/one/checkpoints"):
        (tmp_path / place).mkdir(parents=True)
    for name, text in {
        "last.ckpt": "",
        "text.txt": "",
        "broken.json": "{",
        "list.json": "[]",
        "words.json": '{"figures": {"mse": "high"}, "card": {}}',
    }.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_evaluations(words)


def test_a_baseline_that_is_no_row_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"there is no row 'on'.*one"):
        table(card(tmp_path, "one", {"mse": 1.0}), baseline="on")


@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_each_topic_of_a_real_card_is_known(request, kind):
    """A topic that is not would keep figures apart that were measured in the same way."""
    options = {"variational": True} if kind == "autoencoder" else {}
    report = assess(request.getfixturevalue(kind)(**options), Digits(size=8), draws=1, extractor=False)
    unknown = report.as_dict()["card"].keys() - {*TOPICS, *MODEL, *RESULTS, *EVERYWHERE}
    assert not unknown
