"""The recipes with published settings of tokenizers: their networks at full size, and a short run at a small one."""

import pytest
import torch

from lightning_gen import AdversarialAutoencoderModule
from lightning_gen.cli import main, recipes
from lightning_gen.networks import PatchDiscriminator, ResidualDecoder, ResidualEncoder
from lightning_gen.objectives import Lite0Perceptual

RUNS = {
    "autoencoder/kl_f8": (8, (32, 32), 4, (16_083_080, 16_097_411)),
    "autoencoder/vqgan_f16": (256, (16, 16), 256, (16_486_720, 17_535_043)),
}
"""Of each recipe the encoder's features, the sides of the map, the width of the code, and the networks' parameters."""
every_run = pytest.mark.parametrize("name", RUNS)


def options(name, part):
    """What a recipe builds a part with."""
    return recipes.load(recipes.find(name))["model"]["init_args"][part]["init_args"]


@every_run
def test_the_networks_at_256_pixels(name):
    features, map_size, latent_dim, counts = RUNS[name]
    with torch.device("meta"):
        encoder = ResidualEncoder((3, 256, 256), features, **options(name, "encoder"))
        decoder = ResidualDecoder((3, 256, 256), latent_dim, **options(name, "decoder"))
        discriminator = PatchDiscriminator((3, 256, 256), **options(name, "discriminator"))
        x = torch.zeros(2, 3, 256, 256)
        assert encoder(x).shape == (2, features, *map_size)
        assert encoder.map_size == decoder.map_size == map_size
        assert decoder(torch.zeros(2, latent_dim, *map_size)).shape == x.shape
        assert discriminator(x).logits.shape == (2 * 30 * 30,), "patches of 70 x 70, as in the authors' code"
    assert tuple(sum(p.numel() for p in network.parameters()) for network in (encoder, decoder)) == counts
    assert options(name, "bottleneck")["latent_dim"] == latent_dim
    # the authors' NLayerDiscriminator(input_nc=3, ndf=64, n_layers=3): biases of the first and the last layer alone
    kernels = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 1)
    assert sum(p.numel() for p in discriminator.parameters()) == kernels + 64 + 1 + 2 * (128 + 256 + 512)


@every_run
def test_a_short_run_at_64_pixels_with_all_losses(name, tmp_path, monkeypatch):
    pytest.importorskip("timm")
    trained = {}
    monkeypatch.setattr(AdversarialAutoencoderModule, "on_fit_end", lambda self: trained.update(module=self))
    narrow = [f"--model.{part}.width=4" for part in ("encoder", "decoder", "discriminator")]
    if "vq" in name:
        narrow.append("--model.bottleneck.codes=16")
    data = ["--data={class_path: Digits, init_args: {size: 64, batch_size: 2}}", "--model.discriminator_start_images=2"]
    main(["fit", "--config", name, "--config", "trainer/smoke", f"--runs_dir={tmp_path}", *narrow, *data])
    module = trained["module"]
    assert isinstance(module.terms["perceptual"], Lite0Perceptual)
    assert module.updates == {"autoencoder": 3, "discriminator": 2}
    loss = module._latest["autoencoder"].terms
    assert {"reconstruction", "perceptual", "adversarial", "adversarial_weight"} <= set(loss)
    assert all(value.isfinite() for value in loss.values())
    assert not any("lite0" in key or "network" in key for key in module.objective.state_dict())
    assert module.encode(torch.zeros(1, 1, 64, 64)).shape[2:] == (64 // 8,) * 2 if "f8" in name else (64 // 16,) * 2
