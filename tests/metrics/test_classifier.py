"""The classifier that features are read off: what it learns, that it repeats itself, and that it is kept whole."""

from pathlib import Path

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.data import ArrayDataset, DataModule, Digits, FashionMNIST, Loader, Ring, Splits
from lightning_gen.metrics import ConvClassifier, fit_classifier, trained_extractor
from lightning_gen.metrics import extractor as extractors


class Stripes(DataModule):
    """Horizontal stripes of class 0 and vertical ones of class 1, with noise."""

    def __init__(self, count=128, noise=40, num_classes=2, batch_size=64, seed=0):
        super().__init__(shape=(1, 8, 8), num_classes=num_classes, batch_size=batch_size, seed=seed)
        self.count, self.noise = count, noise

    def splits(self):
        generator = torch.Generator().manual_seed(self.seed)
        labels = torch.arange(self.count) % 2
        across = (torch.arange(8) % 2 * 200).expand(8, 8)
        x = torch.where(labels.view(-1, 1, 1) == 0, across.T, across).unsqueeze(1)
        x = x + torch.randint(0, self.noise, x.shape, generator=generator)
        part = ArrayDataset(x.to(torch.uint8), labels)
        return Splits(part, part, part)


@pytest.fixture
def trainings(monkeypatch):
    """Count how many classifiers are trained."""
    found = []

    def counted(*arguments, **options):
        found.append(fit_classifier(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(extractors, "fit_classifier", counted)
    return found


@pytest.fixture
def passes(monkeypatch):
    """Note how many pictures each pass of a classifier reads features off."""
    found, features = [], ConvClassifier.features

    def noted(module, x):
        found.append(len(x))
        return features(module, x)

    monkeypatch.setattr(ConvClassifier, "features", noted)
    return found


def split(data):
    """All samples of the splits, which are one here."""
    data.setup()
    return data.test_set[:]


def weights(module):
    return torch.cat([value.double().flatten() for value in module.state_dict().values()])


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 8, 8), (3, 9, 9), (4, 64, 64), (3, 256, 256), (1, 16, 48)])
def test_pictures_of_any_size_have_features_of_one_width(shape):
    module = ConvClassifier(shape, 7)
    x = torch.randn(3, *shape)
    assert module.features(x).shape == (3, 128)
    assert module(x).shape == (3, 7)
    assert sum(p.numel() for p in module.parameters()) < 300_000


def test_generators_of_gpus_are_left_alone(monkeypatch):
    """torch.manual_seed seeds them all, and no fork of the CPU's state would set them back."""

    def seeded_anew(seed):
        raise AssertionError("the generators of all GPUs were seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded_anew)
    data = Stripes()
    data.setup()
    fit_classifier(data.train_set, data.shape, 2)


def test_no_pixel_of_a_large_picture_is_skipped():
    module = ConvClassifier((1, 256, 256), 2).eval()
    x = torch.randn(2, 1, 256, 256, requires_grad=True)
    first = module.body[0](x)
    assert first.shape[-2:] == (32, 32)
    (gradient,) = torch.autograd.grad(first.square().sum(), x)
    assert (gradient != 0).all()


def test_digits_are_told_apart():
    data = Digits(size=8)
    data.setup()
    module = fit_classifier(data.train_set, data.shape, 10)
    assert extractors.accuracy_of(module, data.test_set) >= 0.97
    x, labels = data.scaled(data.test_set[:])
    assert extractors.accuracy_of(module, data.test_set) == (module(x).argmax(dim=1) == labels).double().mean()


@pytest.mark.slow
@pytest.mark.skipif(not FashionMNIST.debian_folder.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_clothes_are_told_apart(tmp_path):
    extractor = trained_extractor(FashionMNIST(data_dir=str(tmp_path), download=False), cache_dir=str(tmp_path))
    assert extractor.accuracy >= 0.90


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    data = Stripes()
    data.setup()
    state = torch.random.get_rng_state()
    first, again, other = (fit_classifier(data.train_set, data.shape, 2, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    with torch.no_grad():  # whoever asks may have switched gradients off
        assert torch.equal(weights(fit_classifier(data.train_set, data.shape, 2)), weights(first))


def by_hand(data, seed, steps, change):
    """The training written out: each gradient is of its own batch alone, and nothing could add them up."""
    torch.manual_seed(seed)
    network = ConvClassifier(data.shape, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    loader = Loader(data.train_set, 64, shuffle=True, drop_last=True, seed=seed)
    batches = [data.scaled(batch) for _ in range(steps) for batch in loader][:steps]
    for x, labels in batches:
        x, labels = change(x, labels, generator)
        log_probabilities = network(x).log_softmax(1)
        loss = -log_probabilities[torch.arange(64), labels].mean()
        for parameter, gradient in zip(
            network.parameters(), torch.autograd.grad(loss, list(network.parameters())), strict=True
        ):
            parameter.grad = gradient
        optimizer.step()
        scheduler.step()
    return network.eval()


def noisy(x, labels, generator):
    return x + torch.randn(x.shape, generator=generator), labels


@pytest.mark.parametrize("augment", [None, noisy])
def test_the_gradient_of_each_update_is_that_of_its_batch_alone(augment):
    data = Stripes()
    data.setup()
    trained = fit_classifier(data.train_set, data.shape, 2, seed=3, steps=7, augment=augment)
    expected = by_hand(data, 3, 7, augment or (lambda x, labels, generator: (x, labels)))
    torch.testing.assert_close(weights(trained), weights(expected))


def test_a_class_and_all_of_its_probability_train_the_same():
    data = Stripes()
    data.setup()

    def certain(x, labels, generator):
        return x, torch.nn.functional.one_hot(labels, 2).float()

    plain, soft = (fit_classifier(data.train_set, data.shape, 2, steps=5, augment=each) for each in (None, certain))
    torch.testing.assert_close(weights(plain), weights(soft))


def test_it_is_trained_once_for_the_same_pictures(trainings, tmp_path, capsys):
    first = trained_extractor(Stripes(), cache_dir=str(tmp_path))
    (line,) = capsys.readouterr().err.splitlines()
    assert "training a classifier of Stripes on 128 images" in line
    again = trained_extractor(Stripes(batch_size=16), cache_dir=str(tmp_path))
    assert capsys.readouterr().err == ""
    assert len(trainings) == 1
    assert torch.equal(weights(first.module), weights(again.module))
    assert (first.accuracy, first.protocol) == (again.accuracy, again.protocol)
    assert first.accuracy == 1
    assert not again.module.training
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["accuracy", "classifier"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".pt"}


@pytest.mark.parametrize("other", [Stripes(noise=41), Stripes(count=126), Stripes(num_classes=3)])
def test_other_pictures_or_classes_train_another(other, trainings, tmp_path):
    trained_extractor(Stripes(), cache_dir=str(tmp_path))
    trained_extractor(other, cache_dir=str(tmp_path))
    assert len(trainings) == 2


def test_other_labels_train_another(trainings, tmp_path):
    data = Stripes()
    trained_extractor(data, cache_dir=str(tmp_path))
    data.train_set.labels[0] = 1
    trained_extractor(data, cache_dir=str(tmp_path))
    assert len(trainings) == 2


@pytest.mark.parametrize("content", [b"", b"PK half a file", None], ids=("empty", "damaged", "foreign"))
def test_a_file_that_is_not_a_classifier_is_replaced(content, trainings, tmp_path):
    extractor = trained_extractor(Stripes(), cache_dir=str(tmp_path))
    (path,) = tmp_path.glob("classifier-*")
    if content is None:
        torch.save({"weight": torch.zeros(2)}, path)
    else:
        path.write_bytes(content)
    again = trained_extractor(Stripes(), cache_dir=str(tmp_path))
    assert torch.equal(weights(again.module), weights(extractor.module))
    trained_extractor(Stripes(), cache_dir=str(tmp_path))
    assert len(trainings) == 2


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_code_in_the_file_does_not_run(trainings, tmp_path):
    marker = tmp_path / "it-ran"
    trained_extractor(Stripes(), cache_dir=str(tmp_path / "cache"))
    (path,) = (tmp_path / "cache").glob("classifier-*")
    torch.save(Bomb(marker), path)
    trained_extractor(Stripes(), cache_dir=str(tmp_path / "cache"))
    assert len(trainings) == 2
    assert not marker.exists()


def test_where_nothing_can_be_kept_it_works_and_says_so(tmp_path, capsys):
    (tmp_path / "file").touch()
    extractor = trained_extractor(Stripes(), cache_dir=str(tmp_path / "file"))
    assert extractor.accuracy == 1
    x = torch.zeros(3, 1, 8, 8)
    assert torch.equal(extractor.cached_features(lambda: [x], len(x)), extractor.features([x]))
    assert capsys.readouterr().err.count("set XDG_CACHE_HOME") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_features_and_classes_come_batch_by_batch(tmp_path):
    data = Stripes()
    extractor = trained_extractor(data, cache_dir=str(tmp_path))
    x, labels = data.scaled(data.test_set[:])
    torch.testing.assert_close(extractor.features(x.split(50)), extractor.module.features(x))
    assert torch.equal(extractor.classes(x.split(50)), labels)


def test_features_of_the_same_pictures_are_read_off_once(passes, tmp_path):
    extractor = trained_extractor(Stripes(), cache_dir=str(tmp_path))
    x = Stripes().scaled(split(Stripes())).x
    passes.clear()
    first = extractor.cached_features(lambda: x.split(50), 128)
    again = trained_extractor(Stripes(), cache_dir=str(tmp_path)).cached_features(lambda: x.split(128), 128)
    assert passes == [50, 50, 28]
    assert torch.equal(first, again)
    torch.testing.assert_close(first, extractor.module.features(x))


def test_features_of_other_pictures_or_weights_are_their_own(tmp_path):
    extractor, other = (trained_extractor(Stripes(), seed, str(tmp_path)) for seed in (0, 1))
    x = Stripes().scaled(split(Stripes())).x
    for module, pictures in ((extractor, x), (other, x), (extractor, x[:64]), (extractor, x.flip(0)), (extractor, -x)):
        found = module.cached_features(lambda pictures=pictures: [pictures], len(pictures))
        torch.testing.assert_close(found, module.module.features(pictures))
    assert len(list(tmp_path.glob("features-*.pt"))) == 5


def test_other_test_pictures_have_an_accuracy_of_their_own(tmp_path):
    """Of labels that are all turned the classifier gets none right."""
    data = Stripes()
    assert trained_extractor(data, cache_dir=str(tmp_path)).accuracy == 1
    data.test_set = ArrayDataset(data.train_set.x, 1 - data.train_set.labels)
    assert trained_extractor(data, cache_dir=str(tmp_path)).accuracy == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (Ring(count=1000), "Ring holds points"),
        (Stripes(num_classes=None), "Stripes has no classes"),
        (Stripes(num_classes=1), "Stripes has no classes"),
        (Stripes(count=63), "the training split of Stripes holds 63 images, and at least 64"),
        (Digits(size=8, test_fraction=0.03), "the test split of Digits holds 54 images"),
    ],
    ids=("points", "no labels", "one class", "few", "few to test"),
)
def test_data_that_cannot_be_learned_are_named(data, reason, tmp_path):
    with pytest.raises(InputError, match=reason):
        trained_extractor(data, cache_dir=str(tmp_path))
    assert not any(tmp_path.iterdir())


def test_too_few_pictures_are_refused():
    data = Stripes(count=10)
    data.setup()
    with pytest.raises(InputError, match="at least 64 training images"):
        fit_classifier(data.train_set, data.shape, 2)
