#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""Trains the mini-VGG on procedural shapes and exports it as ONNX.

Every epoch is drawn anew from a seed of its own, so the network never sees a
picture twice and overfitting needs no watching. Each epoch ends with an
exported model, of which all parameters are rounded to values float16 can hold:
the product stores them so, and the accuracy stated is that of the stored
network.
"""
import argparse
import os
import subprocess
import sys

import torch

import engine
import files
from data import Bad, Pictures, cifar10_records, read
from networks import Shapes
from recipes import warm_cosine

# Preprocessing: RGB / 255, then (x - MEAN) / STD on each channel.
MEAN = 0.5
STD = 0.25

# Reserved: training seeds never reach these, see draw_seed().
TEST_SEED = 20261122
TEST_COUNT = 2000
VALIDATION_SEED = 7
VALIDATION_COUNT = 2000

EPOCHS_MAX = 1000
BATCH = 128
PEAK_RATE = 0.05
# On gamma, beta and biases as well: channels without use shrink instead of
# stretching the range that int8 has to cover.
WEIGHT_DECAY = 5e-4


def draw_seed(run, epoch):
    """One seed per epoch and run, out of the reach of the reserved ones."""
    return (1 << 40) + run * EPOCHS_MAX + epoch


class Drawing:
    """A data set that shapes-draw makes in the background."""

    def __init__(self, tool, directory, seed, count):
        self.path = os.path.join(directory, f"draw-{seed}.bin")
        self.process = subprocess.Popen(
            [tool, "--seed", str(seed), "--count", str(count),
             "--cifar", self.path])

    def take(self):
        if self.process.wait():
            raise Bad(self.path, "drawing failed", "see the message above")
        records = cifar10_records(read(self.path, "draw again"), self.path)
        os.unlink(self.path)
        return Pictures(*records, None)


def rounded_to_half(state):
    """Every parameter and statistic survives float16."""
    state = {name: value.half().float() if value.is_floating_point() else value
             for name, value in state.items()}
    for name, value in state.items():
        if not torch.isfinite(value.float()).all():
            raise Bad(name, "exceeds the range of float16", "train with another --seed")
    return state


class ShapesTraining(engine.Training):
    make = Shapes
    batch = BATCH
    convolve_dense = False  # as the shipped network was made
    onnx = "minivgg_shapes.onnx"
    preprocess = staticmethod(engine.Preprocess((MEAN,) * 3, (STD,) * 3))
    stored = staticmethod(rounded_to_half)

    def __init__(self, o):
        super().__init__()
        engine.take_options(self, o)
        self.tool, self.count, self.ahead = o.draw, o.train_count, None
        # What must not change on the way; --epochs may, the decay adapts.
        self.plan = {"recipe": "shapes", "seed": o.seed, "pictures": o.train_count}

    def draw(self, seed, count):
        return Drawing(self.tool, self.out, seed, count)

    def seed_of(self, epoch):
        return draw_seed(self.seed, epoch)

    def source(self, epoch):
        """This epoch's pictures; the next one's are drawn meanwhile."""
        now = self.ahead or self.draw(self.seed_of(epoch), self.count)
        self.ahead = None
        pictures = now.take()
        if epoch + 1 < self.epochs:
            self.ahead = self.draw(self.seed_of(epoch + 1), self.count)
        return pictures

    def rate(self, step, steps):
        return warm_cosine(PEAK_RATE, step, steps, self.epochs)

    @staticmethod
    def optimiser(parameters):
        return torch.optim.SGD(parameters, PEAK_RATE, momentum=0.9,
                               nesterov=True, weight_decay=WEIGHT_DECAY)

    def test(self):
        test = self.draw(TEST_SEED, TEST_COUNT).take()
        self.net.eval()
        print(f"test, seed {TEST_SEED}, {TEST_COUNT} pictures: float32 "
              f"{self.evaluate(self.net, test)[1]:.2%}, as stored "
              f"{self.evaluate(self.stored_net(), test)[1]:.2%}")


def class_names(tool):
    """From the tool that draws: one source for their order."""
    return subprocess.run([tool, "--classes"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", required=True, help="path to shapes-draw")
    parser.add_argument("--train-count", type=int, default=20000,
                        help="pictures per epoch (%(default)s)")
    parser.add_argument("--out", required=True,
                        help="directory for checkpoint, model and labels")
    engine.add_options(parser)
    parser.set_defaults(epochs=20)
    options = parser.parse_args()
    if options.train_count < BATCH:
        parser.error(f"--train-count must be at least {BATCH}")
    if not 1 <= options.epochs <= EPOCHS_MAX:
        parser.error(f"--epochs must be 1 to {EPOCHS_MAX}")
    if options.seed < 0:
        parser.error("--seed must not be negative")
    return options


def main():
    o = parse()
    engine.set_up(o.threads)
    t = ShapesTraining(o)
    try:
        t.start(o.resume)
        files.describe(o.out, name="shapes10", onnx=t.onnx, mean=(MEAN,) * 3,
                       std=(STD,) * 3, resize=32, classes=class_names(o.draw),
                       calib=None)
        t.validation = t.draw(VALIDATION_SEED, VALIDATION_COUNT).take()
        t.run()
        t.test()
    except engine.Stopped as e:
        print(e)
        return 128 + t.signal if t.signal else 0
    except (Bad, OSError) as e:
        print(f"minivgg_shapes: {e}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
