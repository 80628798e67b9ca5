"""The items of the proof, in the order of their value."""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial

import averaging
import grounds
import torch
from grounds import BATCH, Game, benched, last, precision, trained
from host_reads import Reads
from numbers_of_r1 import relative_errors
from proof import Findings, Ground, Item
from same_run import assert_same
from watching import Memory, Norms, Overflow, Steps, Waits

from lightning_gen import checkpoint as checkpoints
from lightning_gen.augmentations.geometry import gathered, resampled, warp

DETERMINISTIC = "--trainer.deterministic=true"
PLAIN_SGD = "{class_path: torch.optim.SGD, init_args: {lr: 0.01}}"
CLIP = 0.01
WITHOUT_WAITS = (grounds.RPGAN, grounds.ADA, grounds.VQ_GAN, grounds.VAE, grounds.COLORIZE)
RESUMED = (grounds.RPGAN, grounds.R3GAN, grounds.VQ_GAN)


def size(ground: Ground, on_gpu: int, on_cpu: int) -> int:
    """A number of steps."""
    return on_cpu if ground.small else on_gpu


# the host -----------------------------------------------------------------------------------------------------------


def no_hidden_wait(ground: Ground, findings: Findings) -> None:
    """Between reports the host waits for nothing in a GAN, an autoencoder with a GAN, a VAE and a translation."""
    first, batches = 5, size(ground, 100, 8)
    for game in WITHOUT_WAITS:
        with findings.part(game.recipe):
            watch = Reads() if ground.small else Waits(first, batches)
            trained(ground, game, first + batches, f"--name=waits_{game.recipe.split('/')[1]}", watch=watch)
            seen = len(watch.counts[first:]) if ground.small else watch.seen
            places = {"reads": sum(watch.counts[first:])} if ground.small else dict(watch.places.most_common(8))
            found = sum(places.values())
            findings.figures[f"{game.recipe}, in {seen} steps"] = found
            findings.expect(seen == batches, f"{game.recipe}: {seen} of {batches} steps were watched")
            findings.expect(found == 0, f"{game.recipe}: the host waited at {places}")


# the bits -----------------------------------------------------------------------------------------------------------


def resume_to_the_bit(name: str, ground: Ground, findings: Findings) -> None:
    """A run that was stopped and went on ends in the bits of one that was not."""
    batches = size(ground, 40, 6)
    for game in RESUMED:
        with findings.part(game.recipe):
            run = f"{game.recipe.split('/')[1]}_{name}"
            options = (DETERMINISTIC, *precision(ground, name))
            trained(ground, game, batches, f"--name={run}_whole", *options)
            trained(ground, game, batches // 2, f"--name={run}_parts", *options)
            trained(ground, game, batches, f"--name={run}_parts", "--ckpt_path=last", *options)
            whole, parts = (last(ground, f"{run}_{each}") for each in ("whole", "parts"))
            assert_same(parts, whole)
            scales = [checkpoints.read(each).get("MixedPrecision") for each in (parts, whole)]
            findings.expect(scales[0] == scales[1], f"{game.recipe}: the scalers are {scales}")
            findings.expect(name != "16-mixed" or bool(scales[0]), f"{game.recipe}: there is no scaler")
            seen = checkpoints.read(whole)["lightning_gen"]["images_seen"]
            findings.expect(seen == batches * BATCH[ground.device], f"{game.recipe}: it saw {seen} images")
            findings.figures[game.recipe] = f"equal after {batches} batches"


def determinism(ground: Ground, findings: Findings) -> None:
    """Two runs of one seed end in the same bits, those with ADA and with reflected borders too."""
    for game in (grounds.DCGAN, grounds.ADA, grounds.REFLECTED):
        with findings.part(game.recipe):
            names = [f"{game.recipe.split('/')[1]}_{turn}" for turn in ("first", "second")]
            for name in names:
                trained(ground, game, size(ground, 20, 4), f"--name={name}", DETERMINISTIC)
            assert_same(*(last(ground, name) for name in names))
            findings.figures[game.recipe] = "equal"


def warp_twice_differentiable(ground: Ground, findings: Findings) -> None:
    """ADA's warp has the second derivative that R1 through the augmentation needs, and a deterministic backward."""
    torch.use_deterministic_algorithms(True)
    seeded = torch.Generator().manual_seed(0)
    x, image = (torch.randn(3, 2, 7, 6, generator=seeded, dtype=torch.float64).to(ground.device) for _ in range(2))
    one = torch.ones(3, dtype=torch.float64, device=ground.device)
    source = warp(1.1 * one, 0.4 * one, 0.9 * one, -0.2 * one, torch.full((3, 2), 0.7, device=ground.device).double())
    findings.expect(
        torch.autograd.gradgradcheck(
            lambda x: gathered(x, source).square(), (x.requires_grad_(),), image, raise_exception=False
        ),
        "the second derivative is not that of finite differences",
    )
    large = torch.randn(64, 3, 32, 32, device=ground.device)
    every = [one[:1].float().expand(64) * factor for factor in (1.1, 0.4, 0.9, -0.2)]
    moved = warp(*every, torch.full((64, 2), 0.7, device=ground.device))
    gradients = []
    for _ in range(2):
        leaf = large.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(resampled(leaf, moved).square().sum(), leaf)
        gradients.append(gradient)
    findings.expect(torch.equal(*gradients), "two backward passes differ")
    torch.use_deterministic_algorithms(False)
    away = (gathered(large, moved) - resampled(large, moved)).abs().max().item()
    findings.figures["difference to grid_sample"] = away
    findings.expect(away < 1e-4, f"it differs from grid_sample by {away:.2g}")


# float16 ------------------------------------------------------------------------------------------------------------


def scaled_and_clipped(ground: Ground, findings: Findings) -> None:
    """In float16 each optimizer applies gradients that were unscaled before the clip, a user's fused one too."""
    batches = size(ground, 300, 8)
    for kind in ("Adam", "SGD"):
        for fused in ("true", "null"):
            with findings.part(f"{kind}, fused {fused}"):
                norms = Norms()
                made = f"{{class_path: torch.optim.{kind}, init_args: {{lr: 0.0001, fused: {fused}}}}}"
                players = ("generator", "discriminator")
                options = [f"--model.{player}_optimizer={made}" for player in players]
                options += [f"--model.{player}_clip={CLIP}" for player in players]
                name = f"--name=clip_{kind}_{fused}"
                trained(ground, grounds.DCGAN, batches, name, *options, *precision(ground, "16-mixed"), watch=norms)
                for index, applied in norms.applied.items():
                    largest = max(applied)
                    findings.figures[f"{kind}, fused {fused}, player {index}"] = largest
                    right = abs(largest - CLIP) <= 0.02 * CLIP
                    findings.expect(right, f"{kind}, fused {fused}: gradients of norm {largest:.3g} and not {CLIP}")
                if norms.scales:
                    findings.figures[f"scale, {kind}, fused {fused}"] = norms.scales[-1]


def skipped_steps(ground: Ground, findings: Findings) -> None:
    """A step of float16 that overflows changes no weight, lowers the scale, and training goes on."""
    watch = Overflow(3)
    trained(ground, grounds.RPGAN, size(ground, 100, 6), "--name=scaler", *precision(ground, "16-mixed"), watch=watch)
    findings.figures["scale, first and last"] = f"{watch.scales[0]:.3g}, {watch.scales[-1]:.3g}"
    findings.expect(watch.moved[watch.batch] == 0, "a step that overflowed moved the weights")
    findings.expect(watch.scales[watch.batch] < watch.HUGE, "a step that overflowed did not lower the scale")
    findings.expect(min(watch.moved[-2:]) > 0, "weights moved no more after it")
    state = checkpoints.read(last(ground, "scaler"))["state_dict"]
    finite = all(value.isfinite().all() for value in state.values() if value.is_floating_point())
    findings.expect(finite, "weights are not finite")
    findings.expect(watch.scales[-1] >= 1, f"the scale fell to {watch.scales[-1]:.3g}")


# speed --------------------------------------------------------------------------------------------------------------

RATIO, MEMORY = 1.05, 1.02
"""Maximum ratios to the loop by hand, of time and of memory."""


def beside_loops(ground: Ground, findings: Findings) -> None:
    """A step takes at most 1.05 times as long as a loop by hand and 1.02 times its memory, at 64 and 512 images."""
    for batch in (8,) if ground.small else (64, 512):
        for game in (grounds.DCGAN, grounds.RPGAN, grounds.VQ_VAE, grounds.VAE):
            name = f"{game.recipe}, {batch} images"
            with findings.part(name):
                run = benched(ground, game, size(ground, 100, 4), batch=batch)
                assert run.reference is not None, run.missing
                ratio = run.library.wall / run.reference.wall
                findings.figures[f"{name}: step, ms"] = 1e3 * run.library.wall
                findings.figures[f"{name}: times the loop's"] = ratio
                findings.figures[f"{name}: share of the loader"] = run.data / run.library.wall
                if run.library.memory and run.reference.memory:
                    more = run.library.memory / run.reference.memory
                    findings.figures[f"{name}: memory, times the loop's"] = more
                    findings.expect(ground.small or more <= MEMORY, f"{name}: {more:.3f} times the memory")
                findings.expect(ground.small or ratio <= RATIO, f"{name}: {ratio:.3f} times as long")


def cost_of_penalties(ground: Ground, findings: Findings) -> None:
    """What R1 and R2 of R3GAN cost at its width, by precision: measured, not judged."""
    wide = ("--model.generator.width=768", "--model.discriminator.width=768")
    for name in ("32-true", "bf16-mixed"):
        for penalties in ((), ("--model.penalties=null",)):
            with findings.part(name):
                run = benched(ground, grounds.R3GAN, 20, *wide, *penalties, f"--trainer.precision={name}", beside=False)
                told = "without penalties" if penalties else "whole"
                findings.figures[f"{name}, {told}: step, ms"] = 1e3 * run.library.wall
                findings.figures[f"{name}, {told}: memory, GB"] = (run.library.memory or 0) / 1e9


def compiled(ground: Ground, findings: Findings) -> None:
    """Compiled networks train as eager ones and are not compiled again after the second step; what they gain."""
    steps = size(ground, 60, 5)
    for game in (grounds.DCGAN, grounds.RPGAN):
        with findings.part(game.recipe), grounds.compiler(ground):
            short = game.recipe.split("/")[1]
            sgd = alike(game)
            with grounds.products(tf32=False):
                for name in ("false", "true"):
                    trained(ground, game, 1, f"--name={short}_one_{name}", f"--compile={name}", *sgd)
            one, other = (checkpoints.read(last(ground, f"{short}_one_{name}")) for name in ("false", "true"))
            apart = distance(one["state_dict"], other["state_dict"])
            findings.figures[f"{game.recipe}: difference after a step"] = apart
            findings.expect(apart < 1e-5, f"{game.recipe}: {apart:.2g} from eager after a step")
            found = {}
            for name in ("false", "true"):
                found[name] = Steps()
                torch.compiler.reset()
                trained(ground, game, steps, f"--name={short}_{name}", f"--compile={name}", watch=found[name])
            eager, fast = (statistics.median(found[name].seconds[3:]) for name in ("false", "true"))
            graphs = found["true"].graphs
            findings.figures[f"{game.recipe}: first step, s"] = found["true"].seconds[0]
            findings.figures[f"{game.recipe}: times as fast"] = eager / fast
            findings.figures[f"{game.recipe}: graphs"] = graphs[-1]
            findings.expect(graphs[-1] > 0, f"{game.recipe}: nothing was compiled")
            again = graphs[-1] - graphs[1]
            findings.expect(again == 0, f"{game.recipe}: {again} graphs were compiled after the second step")


def alike(game: Game) -> list[str]:
    """Options of optimizers that move weights by their gradients, so that differences are those of gradients."""
    players = ("generator_optimizer", "discriminator_optimizer")
    owners = ("optimizer",) if game.recipe.startswith("autoencoder") else players
    return [f"--model.{owner}={PLAIN_SGD}" for owner in owners]


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of two sets of tensors."""
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


# several processes --------------------------------------------------------------------------------------------------


def averages_of_two(ground: Ground, findings: Findings) -> None:
    """Two processes on one device, by gloo, average tensors of several dtypes and memory formats to their means."""
    place = ground.folder / "gloo"
    place.mkdir()
    command = [sys.executable, averaging.__file__, ground.device, str(place)]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # of a clone that is not installed, too
    both = [subprocess.Popen([*command, str(rank)], stderr=subprocess.PIPE, text=True, env=paths) for rank in range(2)]
    try:
        for rank, each in enumerate(both):
            _, said = each.communicate(timeout=90)
            findings.expect(each.returncode == 0, f"process {rank}: {(said.strip().splitlines() or ['it failed'])[-1]}")
    finally:
        for each in both:
            each.kill()
            each.wait()
    findings.figures["cases"] = len(averaging.CASES)


# numbers ------------------------------------------------------------------------------------------------------------


def precision_of_r1(ground: Ground, findings: Findings) -> None:
    """R1 and its gradient in float32, TF32 and bfloat16, before training and after some of it, beside float64."""
    for steps in (0, size(ground, 1000, 10)):
        with findings.part(f"after {steps} steps"):
            for name, error in relative_errors(ground, steps).items():
                findings.figures[f"{name}, after {steps} steps"] = error
                allowed = {"float32": 1e-4, "TF32": 0.05, "bfloat16": 0.5}[name.split(",")[0]]
                findings.expect(error < allowed, f"{name}: a relative error of {error:.2g} after {steps} steps")


def accumulated(ground: Ground, findings: Findings) -> None:
    """A batch in eight parts is the same update and takes less memory."""
    states, peaks = {}, {}
    for parts in (1, 8):
        watch = Memory()
        with findings.part(f"{parts} parts"):
            split = (f"--name=accumulate_{parts}", f"--model.accumulate={parts}")
            trained(ground, grounds.RPGAN, 4, *split, watch=watch)
            peaks[parts] = watch.peak
        run = f"halves_{parts}"
        with findings.part(run), grounds.products(tf32=False):
            images = BATCH[ground.device] // parts
            batches = f"--data.batch_size={images}"
            options = (batches, f"--trainer.accumulate_grad_batches={parts}", *alike(grounds.PLAIN))
            trained(ground, grounds.PLAIN, 1, f"--name={run}", *options)
            states[parts] = checkpoints.read(last(ground, run))["state_dict"]
    apart = distance(states[1], states[8])
    findings.figures["difference of the update"] = apart
    findings.expect(apart < 1e-6, f"the update differs by {apart:.2g}")
    if not ground.small:
        findings.figures["memory, times that of the whole batch"] = peaks[8] / peaks[1]
        findings.expect(peaks[8] < peaks[1], "eight parts take no less memory")


def of_precisions(run: Callable[[str, Ground, Findings], None], names: Sequence[str]) -> list[Item]:
    """An item for each precision."""
    meaning = "20 batches and 20 more are 40 batches to the bit: weights, optimizers, random states, scaler"
    return [Item(f"resume, {name}", 45, meaning, partial(run, name)) for name in names]


ITEMS = (
    Item("no hidden wait", 40, "the host waits for nothing between reports", no_hidden_wait),
    *of_precisions(resume_to_the_bit, ("32-true", "bf16-mixed", "16-mixed")),
    Item("determinism", 15, "two runs are equal to the bit, with ADA and reflected borders too", determinism),
    Item("ADA's warp", 10, "a deterministic backward and a second derivative", warp_twice_differentiable),
    Item("clip in float16", 40, "clips see unscaled gradients, under a fused optimizer too", scaled_and_clipped),
    Item("scaler", 15, "steps that overflow are no updates", skipped_steps),
    Item("beside loops by hand", 90, "1.05 times the time and 1.02 times the memory at most", beside_loops),
    Item("compile", 90, "the same update, no compilation after the second step", compiled),
    Item("two processes on one card", 30, "means of several dtypes and memory formats", averages_of_two),
    Item("precision of R1", 30, "relative errors of R1 and of its gradient", precision_of_r1),
    Item("accumulation", 15, "the same update in less memory", accumulated),
    Item("cost of penalties", 30, "the time of R1 and R2 in float32 beside bf16", cost_of_penalties, needs_cuda=True),
)
"""The items in the order of their value."""
