"""Names of the version before work in Python for one more version, with a warning."""

import inspect
from dataclasses import replace

import pytest
import torch

from lightning_gen import AdversarialAutoencoderModule, AutoencoderModule, InputError, Reconstruction
from lightning_gen.adversaries import DistributionMatching, GenerationMatching, ReconstructionMatching
from lightning_gen.augmentations import Binarization
from lightning_gen.deprecation import FormerNames, accepts_former
from lightning_gen.networks import DenseDiscriminator
from lightning_gen.records import Code, RealFakePair
from lightning_gen.reflection import argument_names, hint_of
from lightning_gen.upgrades import ARGUMENTS


@accepts_former({"old": "new"})
def taking(first: int, new: int = 0) -> tuple[int, int]:
    return first, new


def test_a_former_argument_is_taken_with_a_warning():
    with pytest.warns(DeprecationWarning, match="'old' is 'new' now") as warned:
        assert taking(1, old=2) == (1, 2)
    assert warned[0].filename == __file__
    assert taking(1, 2) == taking(1, new=2) == (1, 2)
    assert list(inspect.signature(taking).parameters) == ["first", "new"]


def test_both_names_at_once_are_refused():
    with pytest.raises(InputError, match="give new alone"):
        taking(1, new=2, old=2)
    with pytest.warns(DeprecationWarning, match="old name is gone"), pytest.raises(TypeError, match="multiple values"):
        taking(1, 2, old=2)


def test_constructors_take_former_arguments(autoencoder):
    with pytest.warns(DeprecationWarning, match="input_transform"):
        module = autoencoder(observation=Binarization())
    assert isinstance(module.input_transform, Binarization)
    for cls in (ReconstructionMatching, GenerationMatching):
        with pytest.warns(DeprecationWarning, match="stop_encoder_gradient"):
            assert cls(spare_encoder=True).stop_encoder_gradient


def test_arguments_are_those_of_today_with_their_types():
    for cls in (AutoencoderModule, AdversarialAutoencoderModule):
        names = argument_names(cls)
        assert {"input_transform", "codes_per_sample"} <= set(names)
        assert not set(names) & {"observation", "draws", "contrast", "judgement_terms"}
    assert hint_of(AdversarialAutoencoderModule, "matching") is DistributionMatching
    assert set(ARGUMENTS["lightning_gen.Reconstruction"].values()) <= set(argument_names(Reconstruction))


def test_attributes_are_read_and_set_under_their_former_names(autoencoder):
    module = autoencoder(codes_per_sample=3)
    with pytest.warns(DeprecationWarning, match="AutoencoderModule.draws is codes_per_sample now"):
        assert module.draws == 3
    with pytest.warns(DeprecationWarning, match="dataset_size"):
        module.population = 7
    with pytest.warns(DeprecationWarning, match="input_transform"):
        module.observation = Binarization()
    assert module.dataset_size == 7
    assert dict(module.named_children())["input_transform"] is module.input_transform
    with pytest.warns(DeprecationWarning, match="transform_input"):
        assert module.observe(torch.zeros(1, 1, 8, 8), torch.Generator()).abs().min() == 1


def test_a_record_is_made_and_read_under_its_former_names():
    x = torch.zeros(2, 3)
    with pytest.warns(DeprecationWarning, match="old name is gone"):
        record = Reconstruction(x, Code(x, x), x, draws=2, population=5)
    assert (record.codes_per_sample, record.dataset_size) == (2, 5)
    with pytest.warns(DeprecationWarning, match="old name is gone"):
        assert (record.draws, record.population) == (2, 5)


def test_a_subclass_may_define_former_names():
    with pytest.warns(DeprecationWarning, match="matches_codes"):

        class Codes(DistributionMatching):
            judges_codes = True

            def __init__(self):
                self.spare_encoder = True

            def judged_shape(self, shape, latent_dim):
                return (2, *super().judged_shape(shape, latent_dim))

            def __call__(self, record, decode, generator):
                return RealFakePair(record.x, record.x)

    with pytest.warns(DeprecationWarning, match="stop_encoder_gradient"):
        matching = Codes()
    with pytest.warns(DeprecationWarning, match="discriminator_shape"):
        assert matching.discriminator_shape((1, 8, 8), 4) == (2, 4)
    assert matching.matches_codes
    assert matching.stop_encoder_gradient


def test_an_override_of_today_is_found_under_the_former_name():
    class Base(FormerNames):
        former_names = {"old": "new"}

        def new(self):
            return "base"

    class Derived(Base):
        def new(self):
            return "derived " + super().new()

    with pytest.warns(DeprecationWarning, match=r"Derived\.old is new now"):
        assert Derived().old() == "derived base"


def test_a_subclass_with_arguments_of_former_names_trains_and_is_described(autoencoder):
    made = autoencoder()

    class Mine(AutoencoderModule):
        def __init__(self, encoder, decoder, bottleneck, objective, draws=2):
            super().__init__(encoder, decoder, bottleneck, objective, draws=draws)

    with pytest.warns(DeprecationWarning, match="old name is gone"):
        module = Mine(made.encoder, made.decoder, made.bottleneck, made.terms)
    with pytest.warns(DeprecationWarning, match="old name is gone"):
        assert module.hparams["draws"] == module.codes_per_sample == 2


def test_a_discriminator_of_version_0_1_may_extend_judge():
    """Its override is what training calls, and reaches that of the base."""
    with pytest.warns(DeprecationWarning, match="forward"):

        class Doubled(DenseDiscriminator):
            def judge(self, x, labels=None):
                output = super().judge(x, labels)
                return replace(output, logits=2 * output.logits)

    discriminator = Doubled((1, 4, 4), (8,))
    x = torch.randn(3, 1, 4, 4)
    with pytest.warns(DeprecationWarning, match="forward"):
        output = discriminator(x)
    torch.testing.assert_close(output.logits, 2 * DenseDiscriminator.forward(discriminator, x).logits)


def test_a_network_that_overrides_its_concatenation_is_heard():
    class Marked(DenseDiscriminator):
        def concatenate(self, x, labels):
            return super().concatenate(x, labels) + 1

    discriminator = Marked((1, 4, 4), (8,))
    x = torch.randn(3, 1, 4, 4)
    plain = DenseDiscriminator((1, 4, 4), (8,))
    plain.load_state_dict(discriminator.state_dict())
    torch.testing.assert_close(discriminator(x).logits, plain(x + 1).logits)
