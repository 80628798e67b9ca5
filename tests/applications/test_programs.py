"""Programs of networks: they compute what the module computes, in batches of any size, and nothing at random."""

import pytest
import torch
from torch import nn

from lightning_gen import AutoencoderModule, GANModule
from lightning_gen.applications import programs
from lightning_gen.applications.programs import (
    Difference,
    Part,
    difference,
    part_named,
    parts_of,
    require_onnx,
    run_onnx,
    run_program,
    to_onnx,
    to_program,
)
from lightning_gen.bottlenecks import GaussianBottleneck, VectorQuantizer
from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, ConvDecoder, ConvEncoder, DenseDiscriminator, DenseGenerator
from lightning_gen.objectives import BernoulliLikelihood, NonSaturating
from lightning_gen.records import Batch

SHAPE = (1, 8, 8)
FORMS = {"onnx": (to_onnx, run_onnx), "pt2": (to_program, run_program)}


class Normalized(nn.Module):
    """A network of the user's own, with GroupNorm."""

    def __init__(self, shape=SHAPE, features=8):
        super().__init__()
        self.shape, self.features, self.map_size, self.num_classes = shape, features, (), None
        flat = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Flatten())
        self.layers = nn.Sequential(flat, nn.Linear(128, features))

    def forward(self, x, labels=None):
        return self.layers(x)


def coder(bottleneck=None):
    bottleneck = bottleneck or GaussianBottleneck(4)
    return AutoencoderModule(
        ConvEncoder(SHAPE, 8, 4),
        ConvDecoder(SHAPE, bottleneck.latent_dim, 4),
        bottleneck,
        {"reconstruction": BernoulliLikelihood()},
    ).eval()


def samples(n=9):
    return Batch(torch.rand(n, *SHAPE) * 2 - 1, torch.arange(n) % 3)


def conditional():
    parts = (
        DenseGenerator(SHAPE, 4, (8,), conditioning=Concatenation(3)),
        DenseDiscriminator(SHAPE, (8,), conditioning=Concatenation(3)),
    )
    return GANModule(*parts, NonSaturating()).eval()


@pytest.mark.parametrize(
    ("form", "part"),
    [
        ("pt2", "encoder"),
        ("pt2", "decoder"),
        pytest.param("onnx", "encoder", marks=pytest.mark.slow),
        pytest.param("onnx", "decoder", marks=pytest.mark.slow),
    ],
)
def test_a_program_is_the_code_without_noise_or_the_mean_of_the_likelihood(form, part):
    module, batch = coder(), samples()
    make, run = FORMS[form]
    found = parts_of(module, batch)[part]
    outputs = run(make(found))(tuple(found.arguments.values()))
    with torch.no_grad():
        code = module.encode(batch.x)
        expected = code if part == "encoder" else module.decode(code)
    torch.testing.assert_close(outputs[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", ["pt2", pytest.param("onnx", marks=pytest.mark.slow)])
def test_a_conditional_generator_reads_labels(form):
    module = conditional()
    part = parts_of(module, samples())["generator"]
    assert list(part.arguments) == ["latent", "labels"]
    make, run = FORMS[form]
    latents, labels = module.latents(3), torch.tensor([2, 0, 1])
    with torch.no_grad():
        expected = module(latents, labels)
    torch.testing.assert_close(run(make(part))((latents, labels))[0], expected, atol=1e-5, rtol=1e-5)


def test_an_onnx_model_with_group_norm_is_right_in_batches_of_any_size():
    require_onnx()
    torch.manual_seed(0)
    network = Normalized().eval()
    for layer in network.modules():
        if isinstance(layer, nn.GroupNorm):
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)

    class Tuple(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            return (self.network(x),)

    content = to_onnx(Part("encoder", Tuple().eval(), {"x": samples().x}, ("code",)), {"note": "of a test"})
    run = run_onnx(content)
    for size in (1, 2, 7, 30):
        x = samples(size).x
        with torch.no_grad():
            torch.testing.assert_close(run((x,))[0], network(x), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_a_quantizer_gives_its_indices_too():
    part = parts_of(coder(VectorQuantizer(8, 16)), samples())["encoder"]
    assert part.results == ("code", "indices")
    found = difference(part, run_onnx(to_onnx(part)))
    assert found.is_small
    assert found.equal_indices == 1


def parts():
    return parts_of(coder(), samples())["encoder"]


def test_a_difference_is_found_in_the_batch_where_it_is():
    part = parts()

    def wrong(arguments):
        (code,) = part.network(*arguments)
        return [code + 0.5 * (len(code) == 7)]

    found = difference(part, wrong)
    with torch.no_grad():
        code = part.network(*part.arguments.values())[0]
    assert found.batch == 7
    assert found.share == pytest.approx(0.5 / float(code.max() - code.min()), rel=1e-4)
    assert not found.is_small


def test_noise_and_a_fixed_batch_are_refused():
    part = parts()
    with pytest.raises(InputError, match="gives another result each time"):
        difference(part, lambda arguments: [torch.rand(len(arguments[0]), 4)])

    def fixed(arguments):
        raise RuntimeError("expected 2")

    with pytest.raises(InputError, match=r"fails in batches of 1 .expected 2."):
        difference(part, fixed)


def test_values_that_are_not_finite_are_no_small_difference():
    part = parts()
    assert not difference(part, lambda arguments: [torch.full((len(arguments[0]), 4), torch.inf)]).is_small


def test_indices_count_where_they_differ():
    assert not Difference(0.0, 1, 0.99).is_small
    assert Difference(0.0, 1, 0.9995).is_small


def test_parts_are_chosen_by_name():
    found = parts_of(coder(), samples())
    assert part_named(found, "decoder").name == "decoder"
    with pytest.raises(InputError, match="choose it with --part encoder or --part decoder"):
        part_named(found, None)
    with pytest.raises(InputError, match="no part 'generator'"):
        part_named(found, "generator")
    assert part_named(parts_of(conditional(), samples()), None).name == "generator"


def test_a_network_that_branches_on_values_is_refused():
    class Branching(nn.Module):
        def forward(self, x):
            return (x if x.sum() > 0 else -x,)

    with pytest.raises(InputError, match="cannot write the encoder as a program"):
        to_program(Part("encoder", Branching(), {"x": samples().x}, ("code",)))


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"ONNX needs onnx and onnxscript and onnxruntime: pip install 'lightning_gen"):
        require_onnx()
