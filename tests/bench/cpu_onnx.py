#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the ONNX files that all engines of tests/bench/cpu load.

    cpu_onnx.py vgg16|fc4096 FILE

Random weights (He-initialised, always the same): time depends on the shapes,
not on the values.
"""
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "onnx"))
import onnx_file  # noqa: E402
from onnx_file import node, tensor, value_info  # noqa: E402

VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M",
         512, 512, 512, "M", 512, 512, 512, "M"]
HEAD = [4096, 4096, 1000]
SIDE = 224
SEED = 16


class Network:
    """A chain of layers; `last` is the name of the newest tensor."""

    def __init__(self, shape):
        self.random = np.random.default_rng(SEED)
        self.nodes, self.tensors, self.shape = [], [], shape
        self.last = "input"

    def weights(self, name, shape):
        fan_in = int(np.prod(shape[1:]))
        w = self.random.standard_normal(shape, np.float32) * (2 / fan_in) ** .5
        b = self.random.standard_normal(shape[0], np.float32) * np.float32(.05)
        self.tensors += [tensor(f"{name}.weight", w.astype("<f4")),
                         tensor(f"{name}.bias", b.astype("<f4"))]
        return [self.last, f"{name}.weight", f"{name}.bias"]

    def add(self, op, output, inputs=None, **attributes):
        self.nodes.append(node(op, inputs or [self.last], output, **attributes))
        self.last = output

    def conv(self, index, c_in, c_out):
        name = f"conv{index}"
        self.add("Conv", name, self.weights(name, (c_out, c_in, 3, 3)),
                 kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1],
                 dilations=[1, 1], group=1)
        self.add("Relu", f"relu_{name}")

    def fc(self, index, n_in, n_out):
        name = f"fc{index}"
        self.add("Gemm", name, self.weights(name, (n_out, n_in)), transB=1)

    def write(self, path, outputs):
        onnx_file.write(path, "bench", self.nodes, self.tensors,
                        [value_info("input", self.shape)],
                        value_info(self.last, (1, outputs)))


def vgg16(path):
    net, channels, pools = Network((1, 3, SIDE, SIDE)), 3, 0
    for index, c in enumerate(VGG16):
        if c == "M":
            pools += 1
            net.add("MaxPool", f"pool{pools}", kernel_shape=[2, 2], strides=[2, 2])
        else:
            net.conv(index, channels, c)
            channels = c
    net.add("Flatten", "flat", axis=1)
    n = channels * (SIDE >> pools) ** 2
    for index, width in enumerate(HEAD):
        net.fc(index, n, width)
        if index + 1 < len(HEAD):
            net.add("Relu", f"relu_fc{index}")
        n = width
    net.write(path, n)


def fc4096(path):
    """One fully connected layer: what it costs by itself. Its input is an image,
    because calibration wants one."""
    net = Network((1, 1, 64, 64))
    net.add("Flatten", "flat", axis=1)
    net.fc(0, 4096, 4096)
    net.write(path, 4096)


def weight_count():
    """VGG16's weights without biases: so many bytes in int8."""
    total, channels = 0, 3
    for c in VGG16:
        if c != "M":
            total += 9 * channels * c
            channels = c
    n = channels * (SIDE >> VGG16.count("M")) ** 2
    for width in HEAD:
        total += n * width
        n = width
    return total


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("vgg16", "fc4096"):
        sys.exit(__doc__)
    globals()[sys.argv[1]](sys.argv[2])
