#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the mini-VGG on procedural shapes and exports it as ONNX.

Development only: needs PyTorch (1.13 is what it was written for) and NumPy.
Every epoch is drawn anew from a seed of its own, so the network never sees a
picture twice and overfitting needs no watching. Each epoch ends with an
exported model, of which all parameters are rounded to values float16 can hold:
the product stores them so, and the accuracy stated is that of the stored
network.
"""

import argparse
import collections
import os
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

CLASSES = 10
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE

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
WARM_UP = 200  # steps
# On gamma, beta and biases as well: channels without use shrink instead of
# stretching the range that int8 has to cover.
WEIGHT_DECAY = 5e-4


def minivgg():
    """Batch norm follows the ReLU, as in the tutorials this net comes from."""
    layers = collections.OrderedDict()
    channels = 3
    for block, filters in enumerate((32, 64, 128), 1):
        for number in (1, 2):
            name = f"{block}_{number}"
            layers[f"conv{name}"] = nn.Conv2d(channels, filters, 3, padding=1)
            layers[f"relu{name}"] = nn.ReLU()
            layers[f"norm{name}"] = nn.BatchNorm2d(filters)
            channels = filters
        layers[f"pool{block}"] = nn.MaxPool2d(2)
        layers[f"drop{block}"] = nn.Dropout(0.25)
    layers["flatten"] = nn.Flatten()
    layers["dense1"] = nn.Linear(channels * (SIDE // 8) ** 2, 64)
    layers["relu4"] = nn.ReLU()
    layers["norm4"] = nn.BatchNorm1d(64)
    layers["drop4"] = nn.Dropout(0.5)
    layers["dense2"] = nn.Linear(64, CLASSES)
    return nn.Sequential(layers)


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
        """Waits, then returns (pictures as uint8 NCHW, labels)."""
        if self.process.wait():
            sys.exit("minivgg_shapes: drawing failed, see the message above")
        data = torch.from_numpy(np.fromfile(self.path, np.uint8))
        os.unlink(self.path)
        data = data.view(-1, RECORD)
        pictures = data[:, 1:].reshape(-1, 3, SIDE, SIDE)
        return pictures, data[:, 0].long()


def preprocess(pictures):
    x = (pictures.float() / 255 - MEAN) / STD
    return x.contiguous(memory_format=torch.channels_last)


def accuracy(net, data):
    pictures, labels = data
    net.eval()
    right = 0
    with torch.no_grad():
        for at in range(0, len(labels), 500):
            best = net(preprocess(pictures[at:at + 500])).argmax(1)
            right += (best == labels[at:at + 500]).sum().item()
    return right / len(labels)


def rounded_to_half(net):
    """A copy of which every parameter and statistic survives float16."""
    copy = minivgg()
    state = {name: value.half().float() if value.is_floating_point() else value
             for name, value in net.state_dict().items()}
    for name, value in state.items():
        if not torch.isfinite(value.float()).all():
            sys.exit(f"minivgg_shapes: {name} exceeds the range of float16")
    copy.load_state_dict(state)
    return copy.eval()


def export(net, path):
    """Batch norms stay nodes of their own, as none follows its convolution."""
    with_softmax = nn.Sequential(
        collections.OrderedDict([*net.named_children(),
                                 ("softmax", nn.Softmax(1))])).eval()
    torch.onnx.export(with_softmax, torch.zeros(1, 3, SIDE, SIDE), path,
                      opset_version=13, do_constant_folding=True,
                      training=torch.onnx.TrainingMode.EVAL,
                      input_names=["input"], output_names=["probabilities"])


def learning_rate(step, steps):
    """A linear start, then half a cosine down to nothing."""
    if step < WARM_UP:
        return PEAK_RATE * (step + 1) / WARM_UP
    done = (step - WARM_UP) / max(1, steps - WARM_UP)
    return PEAK_RATE * 0.5 * (1 + np.cos(np.pi * done))


def train_epoch(net, optimiser, data, first_step, steps):
    """Returns the mean loss and the accuracy, both seen while learning."""
    pictures, labels = data
    order = torch.randperm(len(labels))
    loss_sum = right = seen = 0
    net.train()
    for number, at in enumerate(range(0, len(order) - BATCH + 1, BATCH)):
        chosen = order[at:at + BATCH]
        optimiser.param_groups[0]["lr"] = learning_rate(first_step + number,
                                                        steps)
        out = net(preprocess(pictures[chosen]))
        loss = functional.cross_entropy(out, labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss_sum += loss.item() * BATCH
        right += (out.argmax(1) == labels[chosen]).sum().item()
        seen += BATCH
    return loss_sum / seen, right / seen


def write_labels(tool, path):
    """The names come from the tool that draws: one source for their order."""
    names = subprocess.run([tool, "--classes"], check=True,
                           stdout=subprocess.PIPE).stdout
    with open(path, "wb") as file:
        file.write(names)


def write_curve(history, path):
    """Error on the validation set by epoch, log scale from 100 % to 0.1 %."""
    width, height = 480, 240
    points = []
    for row in history:
        error = max(1e-3, 1 - row["validation"])
        x = 40 + (width - 60) * row["epoch"] / max(1, history[-1]["epoch"])
        y = 20 + (height - 50) * -np.log10(error) / 3
        points.append(f"{x:.1f},{y:.1f}")
    marks = "".join(
        f'<text x="2" y="{24 + (height - 50) * i / 3:.0f}">{text}</text>'
        for i, text in enumerate(("100 %", "10 %", "1 %", "0.1 %")))
    with open(path, "w", encoding="ascii") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height}" font-family="sans-serif" font-size="11">'
            f'<rect width="100%" height="100%" fill="white"/>{marks}'
            f'<text x="{width // 2}" y="{height - 8}">epoch</text>'
            f'<text x="{width // 2}" y="14">validation error</text>'
            f'<polyline fill="none" stroke="black" '
            f'points="{" ".join(points)}"/></svg>\n')


def save_checkpoint(path, net, optimiser, history, options):
    partial = path + ".partial"
    torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict(),
                "history": history, "plan": plan_of(options)}, partial)
    os.replace(partial, path)  # never half a checkpoint


def plan_of(options):
    """What must not change on the way; --epochs may, the decay adapts."""
    return {"train_count": options.train_count, "seed": options.seed}


def load_checkpoint(path, net, optimiser, options):
    """Returns the history so far."""
    state = torch.load(path)
    if any(state["plan"][key] != value
           for key, value in plan_of(options).items()):
        sys.exit(f"minivgg_shapes: {path} was trained with {state['plan']}; "
                 "resume with the same options")
    net.load_state_dict(state["net"])
    optimiser.load_state_dict(state["optimiser"])
    return state["history"]


def run(options):
    out = options.out
    os.makedirs(out, exist_ok=True)
    checkpoint = os.path.join(out, "checkpoint.pt")
    model = os.path.join(out, "minivgg_shapes.onnx")
    torch.manual_seed(options.seed)
    net = minivgg().to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), PEAK_RATE, momentum=0.9,
                                nesterov=True, weight_decay=WEIGHT_DECAY)
    history = []
    if options.resume:
        history = load_checkpoint(checkpoint, net, optimiser, options)
    write_labels(options.draw, os.path.join(out, "labels.txt"))

    def draw(seed, count):
        return Drawing(options.draw, out, seed, count)

    validation = draw(VALIDATION_SEED, VALIDATION_COUNT).take()
    steps_per_epoch = options.train_count // BATCH
    first = len(history)
    ahead = None
    if first < options.epochs:
        ahead = draw(draw_seed(options.seed, first), options.train_count)
    for epoch in range(first, options.epochs):
        started = time.monotonic()
        data = ahead.take()
        if epoch + 1 < options.epochs:
            ahead = draw(draw_seed(options.seed, epoch + 1),
                         options.train_count)
        torch.manual_seed(draw_seed(options.seed, epoch))
        loss, seen = train_epoch(net, optimiser, data,
                                 epoch * steps_per_epoch,
                                 options.epochs * steps_per_epoch)
        stored = rounded_to_half(net)
        history.append({"epoch": epoch, "loss": loss, "train": seen,
                        "validation": accuracy(stored, validation)})
        save_checkpoint(checkpoint, net, optimiser, history, options)
        export(stored, model)
        write_curve(history, os.path.join(out, "curve.svg"))
        print(f"epoch {epoch + 1}/{options.epochs}: loss {loss:.4f}, "
              f"train {seen:.2%}, validation "
              f"{history[-1]['validation']:.2%}, "
              f"{time.monotonic() - started:.0f} s", flush=True)

    test = draw(TEST_SEED, TEST_COUNT).take()
    print(f"test, seed {TEST_SEED}, {TEST_COUNT} pictures: float32 "
          f"{accuracy(net, test):.2%}, as stored "
          f"{accuracy(rounded_to_half(net), test):.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", required=True, help="path to shapes-draw")
    parser.add_argument("--train-count", type=int, default=20000,
                        help="pictures per epoch (%(default)s)")
    parser.add_argument("--epochs", type=int, default=20,
                        help="%(default)s by default")
    parser.add_argument("--seed", type=int, default=1,
                        help="of the weights and pictures (%(default)s)")
    parser.add_argument("--out", required=True,
                        help="directory for checkpoint, model and labels")
    parser.add_argument("--threads", type=int, default=2,
                        help="no more than there are idle cores (%(default)s)")
    parser.add_argument("--resume", action="store_true",
                        help="continue from the checkpoint in --out")
    options = parser.parse_args()
    if options.train_count < BATCH:
        parser.error(f"--train-count must be at least {BATCH}")
    if not 1 <= options.epochs <= EPOCHS_MAX:
        parser.error(f"--epochs must be 1 to {EPOCHS_MAX}")
    if options.seed < 0:
        parser.error("--seed must not be negative")
    torch.set_num_threads(options.threads)
    run(options)


if __name__ == "__main__":
    main()
