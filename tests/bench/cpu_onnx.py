#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the ONNX files that all engines of tests/bench/cpu load.

    cpu_onnx.py vgg16|fc4096 FILE

Random weights (He-initialised, always the same): time depends on the shapes,
not on the values. Written byte by byte, so that it needs no package of ONNX: a
message is a row of fields, each a tag (number << 3 | wire type) and a varint
(type 0) or a length and bytes (type 2). Field numbers are those of onnx.proto.
"""
import sys

import numpy as np

VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M",
         512, 512, 512, "M", 512, 512, 512, "M"]
HEAD = [4096, 4096, 1000]
SIDE = 224
SEED = 16

FLOAT, INT_ATTR, INTS_ATTR = 1, 2, 7


def varint(n):
    out = bytearray()
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name, value):
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, INT_ATTR)
    return (field(1, name) + b"".join(field(8, v) for v in value)
            + field(20, INTS_ATTR))


def node(op, inputs, output, **attributes):
    return (b"".join(field(1, i) for i in inputs) + field(2, output)
            + field(3, output) + field(4, op)
            + b"".join(field(5, attribute(k, v)) for k, v in attributes.items()))


def tensor(name, array):
    return (b"".join(field(1, d) for d in array.shape) + field(2, FLOAT)
            + field(8, name) + field(9, array.tobytes()))


def value_info(name, shape):
    dims = b"".join(field(1, field(1, d)) for d in shape)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, dims)))


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
        graph = (b"".join(field(1, n) for n in self.nodes) + field(2, "bench")
                 + b"".join(field(5, t) for t in self.tensors)
                 + field(11, value_info("input", self.shape))
                 + field(12, value_info(self.last, (1, outputs))))
        with open(path, "wb") as f:
            f.write(field(1, 8) + field(2, "vggaccel") + field(7, graph)
                    + field(8, field(1, "") + field(2, 13)))


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
