"""What a stranger's checkpoint cannot do: import a module, or build a class that nobody has trusted."""

import subprocess
import sys
from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from lightning_gen import AutoencoderModule, GANModule, GenerativeModule, InputError
from lightning_gen import checkpoint as checkpoints
from lightning_gen.checkpoint import trusted as trusting
from lightning_gen.checkpoint.trusted import installed, own, trusted
from lightning_gen.cli import main
from lightning_gen.data import Digits
from lightning_gen.networks import Generator
from lightning_gen.objectives import BernoulliLikelihood, Perceptual

VERBS = (["fit", "--ckpt_path"], ["validate", "--ckpt_path"], ["sample"], ["evaluate"])


class Edges(nn.Module):
    """A network of the user's own, made for no library, with choices that are texts or parts."""

    def __init__(self, width: int = 2, act: str | nn.Module = "relu", free="plain", **kwargs) -> None:
        super().__init__()
        self.width, self.act, self.free, self.kwargs = width, act, free, kwargs
        self.layer = nn.Conv2d(1, width, 3)

    def forward(self, x):
        return self.layer(x)

    class Inner(nn.Module):
        """A class within a class."""

        def __init__(self, activation: "nn.Module | None" = None) -> None:
            super().__init__()
            self.activation = activation

        def forward(self, x):
            return x


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A current folder, on the path of modules, with a module that leaves a trace when it is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(trusting, "_named", set())
    (tmp_path / "hostile.py").write_text(
        "open('trace', 'w')\nfrom torch import nn\nclass Net(nn.Identity): ...\ndef run(text): open('trace', 'w')\n"
    )
    return tmp_path


def stored_by(module, trainer, path="x.ckpt"):
    """Train for a batch; return what the checkpoint holds."""
    runner = trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0)
    runner.fit(module, datamodule=Digits(size=8))
    runner.save_checkpoint(path)
    return torch.load(path, weights_only=True)


def perceptual(autoencoder, network):
    return autoencoder(objective={"pixels": BernoulliLikelihood(), "features": Perceptual(network)})


def refused(words, capsys):
    """The sentence with which the command line refuses; nothing was imported on the way."""
    capsys.readouterr()
    before = set(sys.modules)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert not {name for name in set(sys.modules) - before if name.split(".")[0] not in ("lightning_gen", "sklearn")}
    return capsys.readouterr().err


HOSTILE = [
    # a class of a package that is installed and happens to be imported, whose argument is an import path
    {"class_path": "torchmetrics.text.rouge.ROUGEScore", "init_args": {"normalizer": "hostile.run"}},
    {"class_path": "torchmetrics.image.lpip.LearnedPerceptualImagePatchSimilarity", "init_args": {}},
    {"class_path": "torchvision.models.vgg.VGG", "init_args": {"features": {"class_path": "hostile.Net"}}},
    # the same behind a name of this package
    {"class_path": "lightning_gen.objectives.perceptual.torchmetrics.Metric", "init_args": {}},
    {"class_path": "hostile.Net", "init_args": {}},
    "hostile.Net",
    # functions and parts by their paths, as text, in a class of the user's own
    {"class_path": f"{__name__}.Edges", "init_args": {"act": "hostile.Net"}},
    {"class_path": f"{__name__}.Edges", "init_args": {"act": "{class_path: hostile.Net}"}},
    {"class_path": f"{__name__}.Edges", "init_args": {"free": "{class_path: hostile.Net}"}},
    {"class_path": f"{__name__}.Edges", "init_args": {"free": {"class_path": "hostile.Net"}}},
    {"class_path": f"{__name__}.Edges", "init_args": {"free": [{"a": {"class_path": "hostile.Net"}}]}},
    {"class_path": f"{__name__}.Edges", "dict_kwargs": {"more": {"class_path": "hostile.Net", "init_args": {}}}},
    {"class_path": f"{__name__}.Edges", "init_args": {"act": {"class_path": "torchvision.ops.misc.Permute"}}},
    {"class_path": f"{__name__}.Edges.Inner", "init_args": {"activation": "hostile.Net"}},
    {"class_path": f"{__name__}.Edges.Inner", "init_args": ["hostile.Net"]},
]
EVERY_VERB = (HOSTILE[0], HOSTILE[7], HOSTILE[11])
"""Those that are given to every verb; all go through the one reader of checkpoints."""


@pytest.mark.parametrize("network", HOSTILE)
def test_a_strangers_checkpoint_runs_nothing_in_any_verb(autoencoder, trainer, capsys, network):
    stored = stored_by(perceptual(autoencoder, Edges()), trainer)
    stored["hyper_parameters"]["objective"]["features"]["init_args"]["network"] = network
    torch.save(stored, "x.ckpt")
    if network in EVERY_VERB:
        for verb in VERBS:
            assert "not loaded" in refused([*verb, "x.ckpt"], capsys)
    for base in (GenerativeModule, AutoencoderModule):
        with pytest.raises(InputError, match="not loaded"):
            base.load_from_checkpoint("x.ckpt")
    assert "hostile" not in sys.modules
    assert not list(trusting.Path.cwd().glob("trace"))


TEXTS_OF_FUNCTIONS = [
    ("LambdaLR", {"lr_lambda": "os._exit"}),
    ("LambdaLR", {"lr_lambda": ["os._exit"]}),
    ("MultiplicativeLR", {"lr_lambda": "hostile.run"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "scale_fn": "hostile.run"}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9, "anneal_strategy": "hostile.run"}),
    ("OneCycleLR", {"max_lr": "hostile.run", "total_steps": 9}),
]


@pytest.mark.parametrize(("kind", "arguments"), TEXTS_OF_FUNCTIONS)
def test_a_scheduler_takes_no_text_that_names_a_function(gan, trainer, capsys, kind, arguments):
    stored = stored_by(gan(), trainer)
    described = {"class_path": f"torch.optim.lr_scheduler.{kind}", "init_args": arguments}
    stored["hyper_parameters"]["generator_scheduler"] = described
    torch.save(stored, "x.ckpt")
    with pytest.raises(InputError, match="not loaded"):
        GANModule.load_from_checkpoint("x.ckpt")
    assert "hostile" not in sys.modules


def test_the_data_of_a_checkpoint_are_no_way_in_either(gan, trainer, capsys):
    """Neither by the verbs nor by the class of data itself, which Lightning would build from any class."""
    stored = stored_by(gan(), trainer)
    for data in (
        {"_class_path": "hostile.Data"},
        {"_class_path": "torchvision.datasets.mnist.MNIST", "root": "."},
        {"_class_path": "lightning_gen.data.digits.Digits", "size": "hostile.run"},
        {"_class_path": "lightning_gen.data.digits.Digits", "_instantiator": "hostile.run", "sise": 3},
    ):
        stored["datamodule_hyper_parameters"] = data
        torch.save(stored, "x.ckpt")
        for verb in (VERBS[0], VERBS[1], VERBS[3]):
            assert "x.ckpt" in refused([*verb, "x.ckpt"], capsys)
        with pytest.raises(InputError, match=r"x\.ckpt"):
            Digits.load_from_checkpoint("x.ckpt")
    assert "hostile" not in sys.modules


def test_a_sampler_in_a_checkpoint_is_no_way_in_either(autoencoder, trainer, capsys):
    stored = stored_by(autoencoder(variational=True), trainer)
    key = AutoencoderModule.load_from_checkpoint("x.ckpt").code_key()
    kept = {"sampler": {"class_path": "hostile.Net", "init_args": {}}, "encoded_by": key, "state": {}}
    stored["lightning_gen"]["samplers"] = {"lightning_gen.samplers.mixture.GaussianMixtureSampler": kept}
    torch.save(stored, "x.ckpt")
    assert "hostile.Net" in refused(["sample", "x.ckpt", "--sampler", "gmm"], capsys)
    assert "hostile" not in sys.modules


def test_of_all_that_is_imported_a_checkpoint_names_only_what_was_written_for_it_or_by_the_user():
    """The names of installed packages are the oracle."""
    found, todo = set(), [nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]
    while todo:
        kind = todo.pop()
        todo += [other for other in kind.__subclasses__() if other not in found]
        found.update(kind.__subclasses__())
    strangers = [
        kind for kind in found if kind.__module__.split(".")[0] in ("torchmetrics", "torchvision", "lightning")
    ]
    assert len(strangers) > 100
    assert not [kind for kind in strangers if trusted(kind)]
    assert not any(map(trusted, (subprocess.Popen, int, dict, partial, type(sys), nn.parallel.DataParallel)))
    assert all(map(trusted, (nn.Linear, torch.optim.Adam, torch.optim.lr_scheduler.StepLR, Generator, Edges)))


def test_a_part_that_is_derived_from_the_packages_own_was_written_for_it():
    kind = type("Elsewhere", (Generator,), {"__module__": "torchvision.generators"})
    assert trusted(kind)
    assert not trusted(type("Elsewhere", (nn.Module,), {"__module__": "torchvision.generators"}))


def test_folders_of_packages_are_known_by_name_and_by_the_records_of_installers(tmp_path, monkeypatch):
    for name, records in (("plain", []), ("target", ["some-1.0.dist-info"]), ("site-packages", [])):
        folder = tmp_path / name
        (folder / "pack").mkdir(parents=True)
        for record in records:
            (folder / record).mkdir()
        module = f"pack_{name.replace('-', '_')}"
        (folder / f"{module}.py").write_text("")
        monkeypatch.syspath_prepend(folder)
        __import__(module)
        assert own(module) == (name == "plain")
    assert not own("subprocess")
    assert not own("builtins")
    assert not own("no_such_module")
    assert own("__main__")
    assert installed(trusting.Path(torchvision.__file__).parent.parent)


def test_a_class_of_a_package_is_built_once_its_module_is_named(autoencoder, trainer, capsys):
    network = torchvision.ops.Conv2dNormActivation(1, 2)
    module = perceptual(autoencoder, Edges(act=torchvision.ops.Permute([0, 1, 2, 3])))
    stored_by(module, trainer)
    assert "--import torchvision.ops.misc" in refused(["sample", "x.ckpt"], capsys)
    with pytest.raises(InputError, match=r"trust\('torchvision\.ops\.misc'\)"):
        AutoencoderModule.load_from_checkpoint("x.ckpt")
    checkpoints.trust("torchvision.ops")
    loaded = AutoencoderModule.load_from_checkpoint("x.ckpt")
    assert loaded.objective["features"].network.act.dims == [0, 1, 2, 3]
    assert isinstance(network, nn.Module)


def test_import_trusts_what_it_names(autoencoder, trainer, capsys):
    stored_by(perceptual(autoencoder, Edges(act=torchvision.ops.Permute([0, 1, 2, 3]))), trainer)
    words = ["validate", "--ckpt_path", "x.ckpt", "--trainer.limit_val_batches=1", "--import", "torchvision.ops.misc"]
    main(words)
    assert "val/loss" in capsys.readouterr().out


@pytest.mark.parametrize(
    "network",
    [
        Edges(3, "tanh", "some text", more=[1, 2]),
        Edges(act=nn.LeakyReLU(0.1)),
        Edges.Inner(nn.ReLU()),
    ],
)
def test_a_network_of_ones_own_is_built_again(autoencoder, trainer, network):
    """Untyped arguments, ``**kwargs`` that are kept, a class within a class, and parts of torch's."""
    module = perceptual(autoencoder, network)
    stored_by(module, trainer)
    loaded = AutoencoderModule.load_from_checkpoint("x.ckpt")
    again = loaded.objective["features"].network
    assert type(again) is type(network)
    assert loaded.hparams == module.hparams
    if isinstance(network, Edges):
        assert (again.width, again.free, again.kwargs) == (network.width, network.free, network.kwargs)
        assert repr(again.act) == repr(network.act)
    main(["validate", "--ckpt_path", "x.ckpt", "--trainer.limit_val_batches=1"])


def test_classes_are_called_as_users_import_them_and_by_the_files_of_earlier_versions(gan, trainer):
    stored = stored_by(gan(), trainer)
    described = stored["hyper_parameters"]
    assert described["_class_path"] == "lightning_gen.GANModule"
    assert described["generator"]["class_path"] == "lightning_gen.networks.DenseGenerator"
    assert described["generator_optimizer"]["class_path"] == "torch.optim.SGD"
    described["_class_path"] = "lightning_gen.modules.gan.GANModule"
    described["generator"]["class_path"] = "lightning_gen.networks.dense.DenseGenerator"
    described["generator_optimizer"]["class_path"] = "torch.optim.sgd.SGD"
    torch.save(stored, "x.ckpt")
    described = GANModule.load_from_checkpoint("x.ckpt").hparams
    assert described["generator"]["class_path"] == "lightning_gen.networks.DenseGenerator"
    main(["sample", "x.ckpt", "--n=2"])


SCRIPT = """
import lightning.pytorch as pl, torch
from torch import nn
from lightning_gen import AutoencoderModule
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.data import Digits
from lightning_gen.networks import DenseDecoder, DenseEncoder
from lightning_gen.objectives import BernoulliLikelihood, Perceptual

class Mine(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.width, self.layer = width, nn.Conv2d(1, width, 3)
    def forward(self, x):
        return self.layer(x)

module = AutoencoderModule(
    encoder=DenseEncoder((1, 8, 8), 3, widths=(4,)), decoder=DenseDecoder((1, 8, 8), 3, widths=(4,)),
    bottleneck=IdentityBottleneck(3), objective={"pixels": BernoulliLikelihood(), "features": Perceptual(Mine(2))},
)
trainer = pl.Trainer(accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False)
trainer.fit(module, datamodule=Digits(size=8))
trainer.save_checkpoint("mine.ckpt")
print(AutoencoderModule.load_from_checkpoint("mine.ckpt").objective["features"].network.width)
"""


@pytest.mark.slow
def test_classes_of_a_script_are_its_own():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.stdout.split()[-1:] == ["2"], done.stderr
