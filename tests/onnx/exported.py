#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Networks exported by PyTorch, run by vggctl, against PyTorch itself.

Prints TAP. The full VGG16 in fp32 is the promise; small networks of several
kinds and opsets show that it is no accident.
"""
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
from torch import nn

warnings.filterwarnings("ignore")

VGGCTL = "build/vggctl"
torch.set_num_threads(2)


def vgg(config, classes, side, head=4096, bn=False, norm_after=False, dropout=True):
    layers, channels = [], 3
    for c in config:
        if c == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        layers.append(nn.Conv2d(channels, c, 3, padding=1))
        if bn and not norm_after:
            layers.append(nn.BatchNorm2d(c))
        layers.append(nn.ReLU(inplace=False))
        if norm_after:
            layers.append(nn.BatchNorm2d(c))
        channels = c
    d = [nn.Dropout()] if dropout else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(side), nn.Flatten(),
                         nn.Linear(channels * side * side, head), nn.ReLU(), *d,
                         nn.Linear(head, head), nn.ReLU(), *d,
                         nn.Linear(head, classes))


def randomise(net, seed):
    g = torch.Generator().manual_seed(seed)
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            fan_in = m.weight[0].numel()
            m.weight.data.uniform_(-(6 / fan_in) ** .5, (6 / fan_in) ** .5, generator=g)
            m.bias.data.uniform_(-.1, .1, generator=g)
        elif isinstance(m, nn.BatchNorm2d):
            m.weight.data.uniform_(.5, 1.5, generator=g)
            m.bias.data.uniform_(-.2, .2, generator=g)
            m.running_mean.uniform_(-.2, .2, generator=g)
            m.running_var.uniform_(.5, 1.5, generator=g)
    return net.eval()


VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M",
         512, 512, 512, "M", 512, 512, 512, "M"]
SMALL = [16, "M", 24, 24, "M"]


def any_size(side):
    """VGG with an average down to `side` pixels in front of the dense layers."""
    return vgg(SMALL, 10, side, 64)


CASES = [
    ("vgg16, opset 13", lambda: vgg(VGG16, 1000, 7), 224, 13),
    ("small, opset 9", lambda: vgg(SMALL, 10, 8, 64), 32, 9),
    ("small, opset 11", lambda: vgg(SMALL, 10, 8, 64, bn=True), 32, 11),
    ("BatchNorm behind ReLU, opset 13",
     lambda: vgg(SMALL, 10, 8, 64, bn=True, norm_after=True), 32, 13),
    ("softmax, opset 16",
     lambda: nn.Sequential(*vgg(SMALL, 10, 8, 64), nn.Softmax(1)), 32, 16),
    ("odd padding, log_softmax", lambda: nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2, padding=1), nn.Flatten(), nn.Linear(16 * 16 * 16, 10),
        nn.LogSoftmax(1)), 32, 13),
    # Heads for more than one size: as exported, and imported for another.
    ("global average, 32x32", lambda: any_size(1), 32, 13),
    ("global average, 32x32 imported as 80x80", lambda: any_size(1), (32, 80), 13),
    ("average to 2x2, 64x64", lambda: any_size(2), 64, 13),
    ("sizes left open, imported as 48x48", lambda: any_size(1), (None, 48), 13),
    ("average pools, ReLU6", lambda: nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(),
        nn.AvgPool2d(3, 2, padding=1), nn.ReLU6(), nn.Conv2d(16, 8, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)), 32, 13),
]


def run(net, size, opset, folder):
    """size: of the input, or (as exported or None for any, as imported)."""
    exported, size = size if isinstance(size, tuple) else (size, size)
    x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    onnx, model = f"{folder}/net.onnx", f"{folder}/net.model"
    axes = None if exported else {"input": {2: "height", 3: "width"}}
    with torch.no_grad():
        want = net(x).numpy()
        torch.onnx.export(net, torch.zeros(1, 3, exported or 32, exported or 32), onnx,
                          opset_version=opset, input_names=["input"], dynamic_axes=axes)
    np.save(f"{folder}/x.npy", x.numpy())
    quiet = {"stdout": subprocess.DEVNULL}
    options = [] if exported == size else ["--input-size", str(size)]
    subprocess.run([VGGCTL, "import", onnx, "-o", model, "--no-quantize", *options],
                   check=True, **quiet)
    subprocess.run([VGGCTL, "run", "--model", model, "--precision", "fp32",
                    "--input", f"{folder}/x.npy", "--output", f"{folder}/y.npy"],
                   check=True, **quiet)
    got = np.load(f"{folder}/y.npy")
    assert got.shape == want.shape, (got.shape, want.shape)
    return float(np.abs(got - want).max() / np.abs(want).max())


print(f"1..{len(CASES)}")
failed = 0
for number, (name, make, size, opset) in enumerate(CASES, 1):
    with tempfile.TemporaryDirectory() as folder:
        try:
            error = run(randomise(make(), number), size, opset, folder)
            good = error <= 1e-4
            print(f"# {name}: largest difference / largest logit = {error:.1e}")
        except (subprocess.CalledProcessError, AssertionError) as e:
            print(f"# {e}")
            good = False
    failed += not good
    print(f"{'ok' if good else 'not ok'} {number} {name}", flush=True)
sys.exit(1 if failed else 0)
