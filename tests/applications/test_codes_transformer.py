"""`Codes` beside scikit-learn's PCA."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from lightning_gen import AutoencoderModule
from lightning_gen.applications import Codes
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, DenseDecoder, DenseEncoder


@pytest.fixture
def checkpoint(autoencoder, trainer, tmp_path):
    """An autoencoder after a batch."""

    def make(**options):
        once = trainer(max_steps=1, limit_val_batches=0)
        once.fit(autoencoder(**options), Digits(size=8))
        once.save_checkpoint(tmp_path / "model.ckpt")
        return str(tmp_path / "model.ckpt")

    return make


@pytest.fixture(scope="module")
def digits():
    data = Digits(size=8)
    data.setup()
    batch = data.test_set[:]
    return batch.x.numpy(), batch.labels.numpy()


def test_codes_are_those_of_the_module_whatever_the_layout(checkpoint, digits):
    path, (x, _) = checkpoint(variational=True), digits
    codes = Codes(path)
    assert codes.fit(x) is codes
    found = codes.transform(x)
    with torch.no_grad():
        module = AutoencoderModule.load_from_checkpoint(path).eval()
        expected = module.encode(torch.from_numpy(x) / 127.5 - 1)
        restored = module.decode(expected).flatten(1)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)
    rows = x.reshape(len(x), -1)
    assert np.array_equal(codes.transform(rows), found)
    assert np.allclose(codes.transform(rows / 127.5 - 1), found, atol=1e-5)
    assert codes.n_features_in_ == 64
    assert codes.inverse_transform(found).shape == rows.shape
    assert np.allclose(codes.inverse_transform(found), restored, atol=1e-5)


def test_it_stands_where_pca_stands(checkpoint, digits):
    x, y = digits
    rows = x.reshape(len(x), -1)
    scores = {}
    for name, first in {"codes": Codes(checkpoint()), "pca": PCA(3)}.items():
        pipeline = make_pipeline(first, StandardScaler(), LogisticRegression())
        scores[name] = cross_val_score(pipeline, rows, y, cv=3, error_score="raise").mean()
    assert min(scores.values()) > 0.2, "chance is a tenth"
    both = FeatureUnion([("codes", Codes(checkpoint())), ("pca", PCA(2))]).fit(rows)
    assert both.transform(rows).shape == (len(x), 5)
    assert both.get_feature_names_out().tolist() == [
        *("codes__codes0", "codes__codes1", "codes__codes2", "pca__pca0", "pca__pca1")
    ]


def test_it_is_cloned_searched_and_pickled_by_its_path(checkpoint, digits):
    path, (x, y) = checkpoint(), digits
    codes = Codes(path).fit(x)
    copy = clone(codes)
    assert copy.get_params() == {"checkpoint": path, "device": "cpu"}
    with pytest.raises(NotFittedError):
        copy.transform(x)
    again = pickle.loads(pickle.dumps(codes))
    assert np.array_equal(again.transform(x), codes.transform(x))
    steps = make_pipeline(Codes("missing"), LogisticRegression())
    search = GridSearchCV(steps, {"codes__checkpoint": [path]}, cv=2, error_score="raise")
    assert search.fit(x.reshape(len(x), -1), y).best_params_ == {"codes__checkpoint": path}


def test_its_columns_have_names_for_set_output(checkpoint, digits):
    pytest.importorskip("pandas")
    found = Codes(checkpoint()).set_output(transform="pandas").fit_transform(digits[0])
    assert found.columns.tolist() == ["codes0", "codes1", "codes2"]


def test_set_output_is_kept(checkpoint, digits):
    assert isinstance(Codes(checkpoint()).set_output(transform="default").fit_transform(digits[0]), np.ndarray)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x: x[:, :, :4], r"have shape \(1, 4, 8\) and the model was trained on \(1, 8, 8\)"),
        (lambda x: x.astype(float), r"go from 0 to 255 and the model sees pixels in \[-1, 1\]: give uint8"),
        (lambda x: x.astype(np.int64), "the samples are int64: give uint8"),
        (lambda x: x * np.nan, "contains NaN"),
    ],
)
def test_samples_of_another_kind_get_a_sentence(checkpoint, digits, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        Codes(checkpoint()).fit(change(digits[0]))


def test_codes_of_another_width_are_not_decoded(checkpoint, digits):
    codes = Codes(checkpoint()).fit(digits[0])
    with pytest.raises(InputError, match="the codes have 2 numbers and those of the model 3"):
        codes.inverse_transform(np.zeros((1, 2)))


def test_a_conditional_model_is_refused(checkpoint, digits):
    path = checkpoint(
        encoder=DenseEncoder((1, 8, 8), 3, (8,), conditioning=Concatenation(10)),
        decoder=DenseDecoder((1, 8, 8), 3, (8,), conditioning=Concatenation(10)),
    )
    with pytest.raises(InputError, match="is conditional and scikit-learn gives a transformer no classes"):
        Codes(path).fit(digits[0])


def test_rows_of_another_scale_are_scaled_by_a_step_before(checkpoint, digits):
    x, _ = digits
    scale = FunctionTransformer(lambda rows: rows / 127.5 - 1)
    found = make_pipeline(scale, Codes(checkpoint())).fit_transform(x.reshape(len(x), -1).astype(float))
    assert found.shape == (len(x), 3)
