"""The table that figures are compared in."""

from lightning_gen.metrics import Comparison, Measurement, Report

TABLE = Comparison(("mse", "psnr_db", "elbo_nats", "knn_accuracy"), {"pca_": "PCA", "raw_": "raw pixels", "": "model"})
FIGURES = (
    Measurement("mse", 0.012345678, "error"),
    Measurement("psnr_db", 20.0, "ratio"),
    Measurement("pca_mse", 0.5, "error by PCA"),
    Measurement("pca_psnr_db", float("inf"), "ratio by PCA"),
    Measurement("raw_knn_accuracy", 0.75, "share of raw pixels"),
    Measurement("sliced_wasserstein", 0.25, "distance"),
)


def test_the_table_is_aligned_and_has_only_columns_with_a_figure():
    report = Report(FIGURES, {"seed": 0}, {"elbo_nats": "there is no distribution"}, TABLE)
    assert report.to_text().split("\n")[:5] == [
        "                      psnr       knn",
        "                 mse    db  accuracy",
        "PCA              0.5   inf         –",
        "raw pixels         –     –      0.75",
        "model       0.012346    20         –",
    ]


def test_below_the_table_stand_its_columns_other_figures_what_is_missing_and_the_card():
    report = Report(FIGURES, {"seed": 0}, {"elbo_nats": "there is no distribution"}, TABLE)
    assert report.to_text().split("\n\n")[1:] == [
        "mse           error\npsnr_db       ratio\nknn_accuracy  share of raw pixels",
        "sliced_wasserstein  0.25  distance\nno elbo_nats: there is no distribution",
        "seed  0",
    ]


def test_a_table_wider_than_the_text_goes_on_below_with_the_same_rows():
    report = Report(FIGURES, comparison=TABLE)
    whole, blocks = report.to_text(120).split("\n\n")[0], report.to_text(30).split("\n\n")[:2]
    assert max(len(line) for block in blocks for line in block.split("\n")) <= 30 < len(whole.split("\n")[0])
    for row, title in enumerate(TABLE.rows.values(), start=-3):
        parts = [block.split("\n")[row] for block in blocks]
        assert all(part.startswith(title) for part in parts)
        cells = [cell for part in parts for cell in part.removeprefix(title).split()]
        assert cells == whole.split("\n")[row].removeprefix(title).split()


def test_json_keeps_flat_names():
    read = Report(FIGURES, comparison=TABLE).as_dict()
    assert list(read["figures"]) == [figure.name for figure in FIGURES]
    assert read["figures"]["pca_psnr_db"] is None


def test_rows_without_a_figure_are_not_shown():
    lines = Report(FIGURES[:1], comparison=TABLE).to_text().splitlines()
    assert lines == ["            mse", "model  0.012346", "", "mse  error"]


def test_tables_add_up():
    both = Comparison(("a", "b"), {"": "x"}) + Comparison(("b", "c"), {"pca_": "y"})
    assert both == Comparison(("a", "b", "c"), {"": "x", "pca_": "y"})
    assert both.names("a") == ["a", "pca_a"]


def test_long_lines_are_broken_below_their_meaning():
    words = " ".join(["word"] * 60)
    lines = Report((Measurement("mse", 0.5, words),), {"data": words}).to_text().splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[1].startswith(" " * len("mse  0.5  ") + "word")
    assert " ".join(" ".join(lines).split()) == f"mse 0.5 {words} data {words}"
