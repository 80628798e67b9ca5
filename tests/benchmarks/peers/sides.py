"""The sides: each trains the same networks on the same images in its own way until the clock ends the process.

Networks, losses, batches and optimizers are those of the recipes ``gan/dcgan`` and ``autoencoder/vae``, of
``gan/rpgan`` where others penalise gradients, and of diffusers' AutoencoderKL; all that a side does by default besides,
such as writing logs and showing progress, is left on.
"""

import argparse
import gzip
import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import without_cuda
from clock import Clock
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision import datasets, transforms
from tutorial import ADAM, TutorialGAN

from lightning_gen.cli import dispatch
from lightning_gen.data import FashionMNIST
from lightning_gen.networks import ConvDecoder, ConvEncoder, DCGANDiscriminator, DCGANGenerator
from lightning_gen.records import Batch

BATCH, LATENT, CODE, WIDTH, RATE = 64, 64, 16, 32, 0.001
SHAPE, NATIVE = (1, 32, 32), (1, 28, 28)
CPU = torch.device("cpu")
FOREVER = 10**9
FRESH = ("--model.shared_samples", "false")
KL = Path(__file__).with_name("kl.yaml")
KL_ADAM, KL_WEIGHT = {"lr": 0.0005, "betas": (0.5, 0.9)}, 1e-6
"""The optimizer of `KL` and the weight of its divergence."""
PARTS = "diffusers_networks"
PENALISED_ADAM = {"lr": 0.0004, "betas": (0.0, 0.99)}
"""That of ``gan/rpgan``."""
LAZY = 4
"""lightweight-gan and stylegan2_pytorch penalise gradients at real and fake images in every fourth update."""
PENALISED = tuple(
    word
    for name, value in {
        "objective": "Hinge",
        "penalties.r1.weight": 2.5,  # `every` times half of it are their mean over real and fake, times 10
        "penalties.r1.every": LAZY,
        "penalties.r2.weight": 2.5,
        "penalties.r2.every": LAZY,
    }.items()
    for word in (f"--model.{name}", str(value))
)


def generator(shape: tuple[int, ...] = SHAPE) -> nn.Module:
    """The one of ``gan/dcgan``."""
    return DCGANGenerator(shape, LATENT, WIDTH)


class Player(nn.Module):
    """A network behind the interface that another library's loop expects.

    Args:
        network: It.
        called: Calls the network with what the loop passes.
        **attributes: What else the loop asks for.
    """

    def __init__(self, network: nn.Module, called: Callable[..., Any], **attributes: Any) -> None:
        super().__init__()
        self.network = network
        self.called = called
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.called(self.network, *args, **kwargs)


def discriminator(shape: tuple[int, ...] = SHAPE, batch_norm: bool = True) -> nn.Module:
    """Logits by the one of ``gan/dcgan``; that of ``gan/rpgan`` is without BatchNorm, which penalties rule out."""
    return Player(DCGANDiscriminator(shape, WIDTH, batch_norm=batch_norm), lambda network, x: network(x).logits)


def resized() -> Batch:
    """The training split of Fashion-MNIST at 32 x 32, floats in [-1, 1]: all in memory, as a user would have it."""
    data = FashionMNIST(size=SHAPE[1])
    data.prepare_data()
    data.setup()
    return data.scaled(data.train_set[:])


def in_memory() -> DataLoader[Any]:
    """The usual loader of images that are in memory."""
    return DataLoader(TensorDataset(*resized()), BATCH, shuffle=True, drop_last=True)


def from_pil() -> DataLoader[Any]:
    """The usual loader of torchvision's data sets: each image is made a PIL image, a tensor, and normalised."""
    raw = Path("FashionMNIST", "raw")
    raw.mkdir(parents=True)
    for packed in FashionMNIST.debian_folder.glob("*.gz"):
        with gzip.open(packed) as source, (raw / packed.stem).open("wb") as target:
            shutil.copyfileobj(source, target)
    usual = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    return DataLoader(datasets.FashionMNIST(".", transform=usual, download=True), BATCH, shuffle=True, drop_last=True)


def fit(recipe: str, size: int, *options: str) -> Callable[[Clock], None]:
    """Train by the command line, as it is by default but for some options."""

    def run(clock: Clock) -> None:
        images = ["--config", "data/fashion_mnist", "--data.size", str(size)]
        dispatch.run(["fit", "--config", recipe, *images, "--trainer.accelerator", "cpu", *options])

    return run


def tutorial(loader: Callable[[], DataLoader[Any]], shape: tuple[int, ...], shows: bool) -> Callable[[Clock], None]:
    """Train by Lightning's tutorial."""

    def run(clock: Clock) -> None:
        module = TutorialGAN(generator(shape), discriminator(shape), LATENT, shows)
        Trainer(accelerator="cpu", max_epochs=FOREVER).fit(module, loader())

    return run


def torchgan(clock: Clock) -> None:
    """Train by torchgan's Trainer."""
    from torchgan import losses, models
    from torchgan.trainer import Trainer

    class TheGenerator(models.Generator):
        def __init__(self) -> None:
            super().__init__(LATENT)
            self.network = generator()

        def forward(self, z: Tensor) -> Tensor:
            return self.network(z)

    class TheDiscriminator(models.Discriminator):
        def __init__(self) -> None:
            super().__init__(SHAPE[0])
            self.network = discriminator()

        def forward(self, x: Tensor) -> Tensor:
            return self.network(x)

    optimizer = {"name": torch.optim.Adam, "args": ADAM}
    players = {
        "generator": {"name": TheGenerator, "optimizer": optimizer},
        "discriminator": {"name": TheDiscriminator, "optimizer": optimizer},
    }
    rules = [losses.MinimaxGeneratorLoss(), losses.MinimaxDiscriminatorLoss()]
    Trainer(players, rules, device=CPU, epochs=FOREVER)(in_memory())


def mimicry(clock: Clock) -> None:
    """Train by torch-mimicry's Trainer.

    Its package imports TensorFlow for its metrics and `torch._six`, which torch 2 no longer has, for its data sets.
    """
    clock.note = without_metrics_and_datasets("torch_mimicry")
    from torch_mimicry.nets.gan import gan
    from torch_mimicry.training.trainer import Trainer

    class TheGenerator(gan.BaseGenerator):
        def __init__(self) -> None:
            super().__init__(nz=LATENT, ngf=WIDTH, bottom_width=4, loss_type="ns")
            self.network = generator()

        def forward(self, z: Tensor) -> Tensor:
            return self.network(z)

    class TheDiscriminator(gan.BaseDiscriminator):
        def __init__(self) -> None:
            super().__init__(ndf=WIDTH, loss_type="ns")
            self.network = discriminator()

        def forward(self, x: Tensor) -> Tensor:
            return self.network(x).unsqueeze(1)

    players = TheDiscriminator(), TheGenerator()
    optimizers = [torch.optim.Adam(player.parameters(), **ADAM) for player in players]
    Trainer(*players, *optimizers, in_memory(), num_steps=FOREVER, device=CPU).train()


def without_metrics_and_datasets(name: str) -> str:
    """Import a package, or if that fails put an empty one in its place that its other modules are found through.

    Returns:
        What failed, and what was done; empty for nothing.
    """
    try:
        importlib.import_module(name)
    except ImportError as error:
        for module in [loaded for loaded in sys.modules if loaded.split(".")[0] == name]:
            del sys.modules[module]
        found = importlib.util.find_spec(name)
        if found is None:
            raise
        sys.modules[name] = package = ModuleType(name)
        package.__path__ = list(found.submodule_search_locations or ())
        return f"`import {name}` fails ({error}); timed without its metrics and datasets, which import that"
    return ""


def pythae(clock: Clock) -> None:
    """Train by pythae's BaseTrainer."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class TheEncoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = ConvEncoder(SHAPE, 2 * CODE, WIDTH)

        def forward(self, x: Tensor) -> ModelOutput:
            mean, log_variance = self.network(x).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class TheDecoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = ConvDecoder(SHAPE, CODE, WIDTH)

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.network(z).sigmoid())

    config = VAEConfig(input_dim=SHAPE, latent_dim=CODE, reconstruction_loss="bce")
    x, labels = resized()
    options = BaseTrainerConfig(
        output_dir=".", per_device_train_batch_size=BATCH, learning_rate=RATE, num_epochs=FOREVER, no_cuda=True
    )
    data = BaseDataset((x + 1) / 2, labels)
    BaseTrainer(VAE(config, TheEncoder(), TheDecoder()), data, training_config=options).train()


def endless(loader: DataLoader[Any]) -> Iterator[Tensor]:
    """The images of one epoch after the other."""
    while True:
        for x, _ in loader:
            yield x


def optimizers(*players: nn.Module) -> Iterator[torch.optim.Optimizer]:
    """One for each network."""
    return (torch.optim.Adam(player.parameters(), **PENALISED_ADAM) for player in players)


def lightweight_gan(clock: Clock) -> None:
    """Train by lightweight-gan's Trainer."""
    package = without_cuda.imported("lightweight_gan.lightweight_gan")

    def judged(network: nn.Module, x: Tensor, calc_aux_loss: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        logits = network(x)
        return logits, logits, logits.new_zeros(())  # its own also judges a small copy, and rebuilds the image

    class GAN(package.LightweightGAN):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.image_size, self.latent_dim = SHAPE[1], LATENT
            self.G, self.GE = generator(), generator()
            self.D = Player(discriminator(batch_norm=False), judged)
            self.D_aug = package.AugWrapper(self.D, SHAPE[1])
            self.G_opt, self.D_opt = optimizers(self.G, self.D)
            self.ema_updater = package.EMA(0.995)

    loop(clock, package.Trainer(image_size=SHAPE[1], latent_dim=LATENT, batch_size=BATCH, use_aim=False), GAN())


def stylegan2_pytorch(clock: Clock) -> None:
    """Train by stylegan2_pytorch's Trainer."""
    package = without_cuda.imported("stylegan2_pytorch.stylegan2_pytorch")

    def drawn(network: nn.Module, styles: Tensor, noise: Tensor) -> Tensor:
        return network(styles[:, 0])

    def judged(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        return network(x), x.new_zeros(1)

    class GAN(package.StyleGAN2):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            asked = {"image_size": SHAPE[1], "latent_dim": LATENT, "num_layers": 4}
            self.S, self.SE = nn.Identity(), nn.Identity()
            self.G, self.GE = Player(generator(), drawn, **asked), Player(generator(), drawn, **asked)
            self.D, self.D_cl, self.fp16 = Player(discriminator(batch_norm=False), judged), None, False
            self.D_aug = package.AugWrapper(self.D, SHAPE[1])
            self.G_opt, self.D_opt = optimizers(self.G, self.D)
            self.ema_updater = package.EMA(0.995)

    loop(clock, package.Trainer(image_size=SHAPE[1], batch_size=BATCH), GAN())


def loop(clock: Clock, trainer: Any, gan: nn.Module) -> None:
    """Train networks by a Trainer of lightweight-gan or stylegan2_pytorch, which have one author and one interface."""
    clock.note = "its GPU left out: see `without_cuda.py`"
    trainer.GAN, trainer.loader = gan, endless(in_memory())
    with without_cuda.OnCPU():
        while True:
            trainer.train()


def diffusers(clock: Clock) -> None:
    """Train diffusers' AutoencoderKL by a loop such as its examples have, with clipping, a schedule and a bar."""
    from diffusers.optimization import get_scheduler
    from diffusers_networks import autoencoder
    from tqdm import tqdm

    model = autoencoder(SHAPE)
    optimizer = torch.optim.Adam(model.parameters(), **KL_ADAM)
    scheduler = get_scheduler("constant", optimizer)
    for x in (bar := tqdm(endless(in_memory()))):
        posterior = model.encode(x).latent_dist
        rebuilt = model.decode(posterior.sample()).sample
        loss = (rebuilt - x).abs().flatten(1).sum(1).mean() + KL_WEIGHT * posterior.kl().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        bar.set_postfix(loss=loss.item())


def load(clock: Clock) -> None:
    """Only load batches, and scale them as on the device."""
    data = FashionMNIST(size=NATIVE[1], batch_size=BATCH)
    data.prepare_data()
    while True:
        for batch in data.train_dataloader():
            data.on_after_batch_transfer(batch)
            clock.tick()


def load_from_pil(clock: Clock) -> None:
    """Only load batches by torchvision."""
    loader = from_pil()
    while True:
        for _ in loader:
            clock.tick()


SIDES: dict[str, Callable[[Clock], None]] = {
    "lightning_gen, gan/dcgan": fit("gan/dcgan", SHAPE[1]),
    "lightning_gen, gan/dcgan --compile true": fit("gan/dcgan", SHAPE[1], "--compile", "true"),
    "lightning_gen, gan/dcgan --model.shared_samples false": fit("gan/dcgan", SHAPE[1], *FRESH),
    "Lightning's tutorial": tutorial(in_memory, SHAPE, shows=True),
    "the same, no image a step": tutorial(in_memory, SHAPE, shows=False),
    "torchgan": torchgan,
    "torch-mimicry": mimicry,
    "lightning_gen, autoencoder/vae": fit("autoencoder/vae", SHAPE[1]),
    "lightning_gen, autoencoder/vae --compile true": fit("autoencoder/vae", SHAPE[1], "--compile", "true"),
    "pythae": pythae,
    "lightning_gen, gan/rpgan with these penalties": fit("gan/rpgan", SHAPE[1], *PENALISED),
    "lightweight-gan": lightweight_gan,
    "stylegan2_pytorch": stylegan2_pytorch,
    "lightning_gen, the same networks": fit(
        str(KL),
        SHAPE[1],
        *("--import", PARTS),
        *("--model.encoder", f"{PARTS}.DiffusersEncoder", "--model.decoder", f"{PARTS}.DiffusersDecoder"),
    ),
    "a loop as in diffusers' examples": diffusers,
    "lightning_gen, networks of autoencoder/kl": fit(str(KL), SHAPE[1]),
    "lightning_gen, gan/dcgan, 28 x 28": fit("gan/dcgan", NATIVE[1]),
    "lightning_gen, gan/dcgan, 28 x 28 --compile true": fit("gan/dcgan", NATIVE[1], "--compile", "true"),
    "lightning_gen, gan/dcgan, 28 x 28 --model.shared_samples false": fit("gan/dcgan", NATIVE[1], *FRESH),
    "Lightning's tutorial, torchvision's data": tutorial(from_pil, NATIVE, shows=True),
    "the same, no image a step, torchvision's data": tutorial(from_pil, NATIVE, shows=False),
    "lightning_gen's loader": load,
    "torchvision's data set and DataLoader": load_from_pil,
}


def main() -> None:
    """Run one side: leaves come in by standard input, readings go out by standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--ticks", type=int, required=True, help="of a turn")
    parser.add_argument("--steps", type=int, required=True, help="of a turn")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    readings = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # sides print
    clock = Clock(sys.stdin, readings, options.ticks, options.steps)
    clock.watch()
    SIDES[options.side](clock)


if __name__ == "__main__":
    main()
