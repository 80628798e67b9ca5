"""What a checkpoint says of itself, and what it may not do."""

import pickle
import signal
import subprocess
import sys
from functools import partial

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import nn

from lightning_gen import EMA, AutoencoderModule, GANModule, GenerativeModule, InputError
from lightning_gen import checkpoint as checkpoints
from lightning_gen.augmentations import Binarization, GaussianNoise
from lightning_gen.data import Digits
from lightning_gen.networks import DenseDiscriminator, DenseGenerator, Generator
from lightning_gen.networks.conditioning import AuxiliaryClassifier, Concatenation
from lightning_gen.objectives import Classification, FeatureMatching, NonSaturating
from lightning_gen.priors import Hypersphere
from lightning_gen.regularizers import R1, R2, Consistency, LeCam, WeightClipping
from lightning_gen.schedules import Constant, Cosine, Exponential, ImageSchedule, Linear

try:
    import resource
except ImportError:
    resource = None


def trained(module, trainer, path):
    runner = trainer(max_epochs=1, limit_train_batches=3, limit_val_batches=1, precision="32-true")
    runner.fit(module, datamodule=Digits(size=8))
    runner.save_checkpoint(path)
    return module


def seed():
    return torch.Generator().manual_seed(11)


@pytest.mark.parametrize("base", [GANModule, GenerativeModule, LightningModule])
def test_the_path_alone_gives_a_gan_back_to_the_bit(gan, trainer, tmp_path, base):
    module = trained(
        gan(
            batch_norm=True,
            penalties={"r1": R1(0.3)},
            augmentation=GaussianNoise(0.02),
            ema=EMA(half_life_images=77.0),
            generator_scheduler=partial(ImageSchedule, learning_rate=Cosine(500)),
            discriminator_updates=2,
        ),
        trainer,
        tmp_path / "gan.ckpt",
    )
    expected = module.sample(9, generator=seed())
    loaded = base.load_from_checkpoint(tmp_path / "gan.ckpt")
    assert torch.equal(loaded.sample(9, generator=seed()), expected)
    torch.testing.assert_close(loaded.state_dict(), module.state_dict(), rtol=0, atol=0)
    for name in (
        "generator",
        "discriminator",
        "objective",
        "penalties",
        "augmentation",
        "ema",
        "discriminator_updates",
    ):
        assert loaded.hparams[name] == module.hparams[name]
    assert loaded.images_seen == module.images_seen == 192
    assert loaded.updates == {"discriminator": 3, "generator": 1}
    assert loaded.generator_optimizer.keywords["lr"] == 0.1


def everything(gan):
    """A GAN with a part in every place, and schedules wherever one may stand."""
    shape = (1, 8, 8)
    return gan(
        generator=DenseGenerator(shape, 4, (16,), conditioning=Concatenation(10)),
        discriminator=DenseDiscriminator(shape, (16,), spectral_norm=True, conditioning=AuxiliaryClassifier(10)),
        objective=NonSaturating(label_smoothing=0.1),
        terms={"classes": Classification(0.5, on_fake=False), "match": FeatureMatching(0.1)},
        penalties={
            "r1": R1(Exponential(end_images=1000, first=1.0, last=0.1, warmup_images=100), every=2),
            "r2": R2(0.3),
            "lecam": LeCam(0.01, decay=0.9, one_sided=True),
            "consistency": Consistency(GaussianNoise(0.1), Linear(500), balanced=True),
        },
        constraint=WeightClipping(0.5),
        augmentation=GaussianNoise(0.02),
        prior=Hypersphere(),
        ema=EMA(half_life_images=Linear(end_images=500, first=50.0, last=500.0), ramp_up=None),
        generator_optimizer=partial(torch.optim.Adam, lr=0.01, betas=(0.0, 0.9)),
        generator_scheduler=partial(
            ImageSchedule, learning_rate=Cosine(500, warmup_images=10), beta2=Linear(500, first=0.9, last=0.99)
        ),
        discriminator_scheduler=partial(ImageSchedule, learning_rate=Constant(warmup_images=100)),
    )


def test_the_path_alone_gives_a_gan_of_all_parts_back_to_the_bit(gan, trainer, tmp_path):
    module = trained(everything(gan), trainer, tmp_path / "gan.ckpt")
    loaded = GANModule.load_from_checkpoint(tmp_path / "gan.ckpt")
    for name in ("generator", "discriminator", "objective", "terms", "penalties", "constraint", "prior", "ema"):
        assert loaded.hparams[name] == module.hparams[name]
    torch.testing.assert_close(loaded.state_dict(), module.state_dict(), rtol=0, atol=0)
    assert torch.equal(loaded.sample(9, 3, seed()), module.sample(9, 3, seed()))
    assert torch.equal(loaded.sample(9, generator=seed()), module.sample(9, generator=seed()))
    assert isinstance(loaded.prior, Hypersphere)
    assert loaded.penalties["r1"].weight(550) == module.penalties["r1"].weight(550)
    assert loaded.ema.half_life_images(250) == 275.0
    assert loaded.penalties["lecam"].real_average == module.penalties["lecam"].real_average
    for first, second in zip(module.generator.parameters(), loaded.generator.parameters(), strict=True):
        assert torch.equal(first, second)


def test_a_gan_of_all_parts_resumes_to_the_bit(gan, trainer, tmp_path):
    """With beta2 moved by its schedule, averages of logits, and a half-life that changes."""
    data = torch.utils.data.TensorDataset(torch.rand(64, 1, 8, 8), torch.arange(64) % 10)
    loader = torch.utils.data.DataLoader(data, batch_size=16)
    states, second_betas = [], []
    for stop in (None, 1):
        torch.manual_seed(5)
        module, runner = everything(gan), trainer(max_epochs=stop or 2)
        runner.fit(module, loader)
        if stop:
            runner.save_checkpoint(tmp_path / "half.ckpt")
            module, runner = everything(gan), trainer(max_epochs=2)
            runner.fit(module, loader, ckpt_path=tmp_path / "half.ckpt")
        states.append(module.state_dict())
        second_betas.append(runner.optimizers[1].param_groups[0]["betas"][1])
    torch.testing.assert_close(*states, rtol=0, atol=0)
    assert second_betas == pytest.approx([0.9 + 0.09 * 128 / 500] * 2)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # no optimizer steps here
def test_a_scheduler_builds_its_schedules_whenever_it_is_made(gan, trainer, tmp_path):
    """What the description gives back is called for each optimizer, as a partial written in Python is."""
    trained(everything(gan), trainer, tmp_path / "gan.ckpt")
    make = GANModule.load_from_checkpoint(tmp_path / "gan.ckpt").generator_scheduler
    for _ in range(2):
        optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = make(optimizer)
        assert isinstance(schedule, ImageSchedule)
        assert isinstance(schedule.learning_rate, Cosine)
        schedule.step_to(250)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5)
        assert optimizer.param_groups[0]["betas"][1] == pytest.approx(0.945)


def test_what_was_rebuilt_is_described_the_same(gan, tmp_path):
    described = dict(everything(gan).hparams)
    torch.save(described, tmp_path / "plain.pt")
    first = checkpoints.rebuild(GANModule, described, "gan.ckpt")
    assert torch.load(tmp_path / "plain.pt", weights_only=True) == described, "plain data, and left as it was"
    assert first.hparams == described


@pytest.mark.parametrize("variational", [False, True])
def test_the_path_alone_gives_an_autoencoder_back_to_the_bit(autoencoder, trainer, tmp_path, variational):
    module = trained(autoencoder(variational=variational), trainer, tmp_path / "ae.ckpt").eval()
    loaded = AutoencoderModule.load_from_checkpoint(tmp_path / "ae.ckpt").eval()
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(loaded(x), module(x))
    assert loaded.hparams == module.hparams


def test_a_checkpoint_describes_its_data(gan, trainer, tmp_path):
    trained(gan(), trainer, tmp_path / "gan.ckpt")
    stored = checkpoints.read(tmp_path / "gan.ckpt")["datamodule_hyper_parameters"]
    data = checkpoints.rebuild(Digits, stored, "gan.ckpt")
    assert (data.size, data.batch_size) == (8, 64)


def test_a_part_that_cannot_be_described_is_asked_for_again(gan, trainer, tmp_path):
    class Bare(Generator):
        def __init__(self, layers):
            super().__init__((1, 8, 8), latent_dim=4)
            self.layers = layers

        def draw(self, x, labels):
            return self.layers(x).view(-1, 1, 8, 8)

    def make():
        return Bare(nn.Linear(4, 64))

    with pytest.warns(UserWarning, match=r"load_from_checkpoint\(path, generator=...\)"):
        module = trained(gan(generator=make()), trainer, tmp_path / "gan.ckpt")
    with pytest.raises(InputError, match="generator"):
        GANModule.load_from_checkpoint(tmp_path / "gan.ckpt")
    loaded = GANModule.load_from_checkpoint(tmp_path / "gan.ckpt", generator=make())
    assert torch.equal(loaded.sample(3, generator=seed()), module.sample(3, generator=seed()))


class Several(nn.Module):
    """Made of any number of things."""

    def __init__(self, *things):
        super().__init__()
        self.things = things


@pytest.mark.parametrize("part", [Several(1, 2), nn.Sequential(nn.ReLU())])
def test_arguments_without_names_cannot_be_described(part):
    with pytest.raises(checkpoints.Undescribable, match=f"{type(part).__name__} takes arguments without names"):
        checkpoints.describe(part)


def test_a_part_without_a_constructor_of_its_own_has_no_arguments():
    assert checkpoints.describe(Binarization())["init_args"] == {}


def test_a_checkpoint_of_another_class_is_refused(gan, trainer, tmp_path):
    trained(gan(), trainer, tmp_path / "gan.ckpt")
    with pytest.raises(InputError, match="AutoencoderModule"):
        AutoencoderModule.load_from_checkpoint(tmp_path / "gan.ckpt")


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("inside", ["alone", "in a checkpoint"])
def test_pickled_code_is_refused_and_does_not_run(tmp_path, inside):
    bomb, trace = tmp_path / "bomb.ckpt", tmp_path / "trace"
    content = Bomb(trace) if inside == "alone" else {"state_dict": {}, "hyper_parameters": {"x": Bomb(trace)}}
    torch.save(content, bomb)
    with pytest.raises(InputError, match="pickled code"):
        GenerativeModule.load_from_checkpoint(bomb)
    bomb.write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(InputError, match="pickled code"):
        GenerativeModule.load_from_checkpoint(bomb)
    assert not trace.exists()
    with open(bomb, "rb") as file:  # the bomb is live: plain pickle would have run it
        pickle.load(file).close()
    assert trace.exists()


@pytest.mark.parametrize("place", ["_class_path", "generator"])
def test_a_description_cannot_import_or_build_anything_else(gan, trainer, tmp_path, place):
    trained(gan(), trainer, tmp_path / "gan.ckpt")
    stored = torch.load(tmp_path / "gan.ckpt", weights_only=True)
    target = (
        "antigravity.fly"
        if place == "_class_path"
        else {"class_path": "subprocess.Popen", "init_args": {"args": ["true"]}}
    )
    stored["hyper_parameters"][place] = target
    torch.save(stored, tmp_path / "gan.ckpt")
    with pytest.raises(InputError):
        GenerativeModule.load_from_checkpoint(tmp_path / "gan.ckpt")
    import sys

    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (
            "generator_scheduler",
            {"class_path": "torch.optim.lr_scheduler.LambdaLR", "init_args": {"lr_lambda": "os._exit"}},
        ),
        ("generator_scheduler", "os._exit"),
        ("generator_optimizer", {"class_path": "functools.partial", "init_args": {}}),
        ("augmentation", {"class_path": "torch.nn.Linear", "init_args": {"in_features": 1, "out_features": 1}}),
        ("penalties", {"a": "os.system"}),
        (
            "penalties",
            {"a": {"class_path": "lightning_gen.networks.dense.DenseGenerator", "init_args": {"shape": [2]}}},
        ),
        ("objective", "subprocess.Popen"),
        ("ema", "os.system"),
        ("ema", {"half_life_images": "os.system"}),
        ("ema", {"half_life_images": {"class_path": "subprocess.Popen", "init_args": {"args": ["true"]}}}),
        ("prior", {"class_path": "lightning_gen.schedules.Linear", "init_args": {"end_images": 5}}),
        ("constraint", {"class_path": "subprocess.Popen", "init_args": {"args": ["true"]}}),
        ("terms", {"a": {"class_path": "lightning_gen.regularizers.gradient.R1", "init_args": {}}}),
        (
            "penalties",
            {"a": {"class_path": "lightning_gen.regularizers.gradient.R1", "init_args": {"weight": "os.system"}}},
        ),
        (
            "penalties",
            {
                "a": {
                    "class_path": "lightning_gen.regularizers.consistency.Consistency",
                    "init_args": {
                        "augmentation": {
                            "class_path": "torch.nn.modules.linear.Linear",
                            "init_args": {"in_features": 1, "out_features": 1},
                        }
                    },
                }
            },
        ),
        (
            "generator_scheduler",
            {
                "class_path": "lightning_gen.schedules.ImageSchedule",
                "init_args": {"learning_rate": {"class_path": "os._exit", "init_args": {"status": 3}}},
            },
        ),
        (
            "generator_scheduler",
            {
                "class_path": "lightning_gen.schedules.ImageSchedule",
                "init_args": {"learning_rate": {"class_path": "subprocess.Popen", "init_args": {"args": ["true"]}}},
            },
        ),
    ],
)
def test_what_a_description_may_hold_is_read_off_the_types(gan, trainer, tmp_path, place, value):
    trained(gan(), trainer, tmp_path / "gan.ckpt")
    stored = torch.load(tmp_path / "gan.ckpt", weights_only=True)
    stored["hyper_parameters"][place] = value
    torch.save(stored, tmp_path / "gan.ckpt")
    with pytest.raises(InputError, match="not loaded"):
        GenerativeModule.load_from_checkpoint(tmp_path / "gan.ckpt")


def test_truncated_and_foreign_files_are_refused(gan, trainer, tmp_path):
    trained(gan(), trainer, tmp_path / "gan.ckpt")
    whole = (tmp_path / "gan.ckpt").read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.ckpt").write_bytes(b"")
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.ckpt")
    for name, expected in (("cut", "is truncated"), ("empty", "it holds nothing"), ("text", "it holds something else")):
        with pytest.raises(InputError, match=expected):
            GenerativeModule.load_from_checkpoint(tmp_path / f"{name}.ckpt")
    with pytest.raises(InputError, match="no lightning_gen module"):
        GenerativeModule.load_from_checkpoint(tmp_path / "other.ckpt")
    with pytest.raises(InputError, match=r"does not exist: there is .*gan\.ckpt"):
        GenerativeModule.load_from_checkpoint(tmp_path / "missing.ckpt")


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder" / "last.ckpt"
    checkpoints.AtomicCheckpointIO().save_checkpoint({"x": torch.ones(3)}, target)

    class Full:
        def __reduce__(self):
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="earlier checkpoints are intact"):
        checkpoints.AtomicCheckpointIO().save_checkpoint({"x": torch.zeros(10**6), "y": Full()}, target)
    assert torch.load(target, weights_only=True)["x"].tolist() == [1, 1, 1]
    assert [p.name for p in target.parent.iterdir()] == ["last.ckpt"]


HOLDER = """
import sys
from lightning_gen import files

with files.replacing(sys.argv[1]) as file:
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_what_a_dead_process_left_half_written_goes_and_what_a_living_one_writes_stays(tmp_path):
    """Of the same file; what is of another file stays in any case."""
    dead, other, target = tmp_path / ".last.ckpt.9.partial", tmp_path / ".best.ckpt.9.partial", tmp_path / "last.ckpt"
    dead.write_bytes(b"half")
    other.write_bytes(b"half of another file")
    words = [sys.executable, "-c", HOLDER, str(target)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdout.readline() == b"writing\n"
        (held,) = set(tmp_path.glob(".last.ckpt.*.partial")) - {dead}
        checkpoints.AtomicCheckpointIO().save_checkpoint({"x": torch.ones(3)}, target)
        assert set(tmp_path.iterdir()) == {held, other, target}
        living.stdin.close()
    assert living.returncode == 0
    assert target.read_bytes() == b"", "the other process has ended its writing after this one"


def test_a_folder_that_may_not_be_written_has_another_remedy_than_a_full_disk(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("lightning_gen.files.replacing", refuse)
    with pytest.raises(InputError, match=r"written \(Permission denied\): allow it or choose another folder, with"):
        checkpoints.AtomicCheckpointIO().save_checkpoint({"x": torch.ones(3)}, tmp_path / "last.ckpt")


@pytest.mark.skipif(resource is None, reason="needs a system that limits the size of files")
def test_a_disk_that_is_full_is_one_sentence_and_leaves_the_last_checkpoint(tmp_path):
    """The system itself refuses to write on: a file may have 40 KB here, as many as are left on a full disk."""
    target, writer = tmp_path / "last.ckpt", checkpoints.AtomicCheckpointIO()
    writer.save_checkpoint({"x": torch.ones(3)}, target)
    before, limits = target.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"could not be written .* free some disk space .* are intact"):
            writer.save_checkpoint({"x": torch.zeros(100_000)}, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]
    assert target.read_bytes() == before


def test_descriptions_are_plain_and_follow_the_live_parts(gan):
    module = gan(generator=DenseGenerator((1, 8, 8), latent_dim=4, widths=[16, 8]))
    described = dict(module.hparams)
    assert described["generator"]["init_args"]["widths"] == [16, 8]
    assert described["ema"] == {"half_life_images": 10_000.0, "ramp_up": 0.05}
    assert described["generator_optimizer"] == {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
    module.discriminator_updates = 4
    assert module.hparams["discriminator_updates"] == 4


def test_a_lambda_as_optimizer_is_left_out_with_a_warning(gan):
    module = gan(generator_optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
    with pytest.warns(UserWarning, match="generator_optimizer"):
        assert "generator_optimizer" not in module.hparams
