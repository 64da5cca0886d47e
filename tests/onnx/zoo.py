#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""Writes files of the structure that the ONNX model zoo's VGG files have, with
random weights: operators, attributes, names, types and versions are those, the
numbers aren't. Narrower networks and smaller images as asked.

    zoo.py NAME FILE [--divide N] [--side PIXELS] [--classes N]
    zoo.py --list

The fp32 files come from two exporters: MXNet's (vgg16-7 ... vgg19-bn-7; opset 7,
each initialiser an input too) and Caffe2's (vgg19-caffe2-3 ... -9, one for each
operator set). The quantised ones were made of vgg16-12 by a quantiser that puts
QuantizeLinear and DequantizeLinear around each operator (-qdq) and then fuses
what it can (-int8): convolutions with their ReLU to QLinearConv, pools to pools
of bytes, products to QGemm of the domain com.microsoft or, in older releases, to
QLinearMatMul and QLinearAdd. What stays in floating point between two such
operators (a Flatten, the ReLU of a product) stays between DequantizeLinear and
QuantizeLinear. Activations are uint8 with zero points.
"""
import argparse

import numpy as np

import onnx_file
from onnx_file import node, tensor, value_info

MICROSOFT = "com.microsoft"
BLOCKS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)
HIDDEN = 4096
CALIBRATION = 2		# images
FLATTEN = {16: (60, 65, 70), 19: (72, 77, 82)}	# MXNet's numbers


class Net:
    """Layers in order, as (kind, number); weights by the names MXNet gives."""

    def __init__(self, depth, divide=1, side=224, classes=1000, bn=False, seed=1):
        self.random = np.random.default_rng(seed)
        self.depth, self.side, self.bn = depth, side, bn
        self.layers, self.weights = [], {}
        channels, index = 3, 0
        for block, (width, count) in enumerate(zip(WIDTHS, BLOCKS[depth])):
            for _ in range(count):
                self.layers.append(("conv", index))
                self.random_layer(f"vgg0_conv{index}", (width // divide, channels, 3, 3))
                if bn:
                    self.random_norm(f"vgg0_batchnorm{index}", width // divide)
                channels, index = width // divide, index + 1
            self.layers.append(("pool", block))
        n = channels * (side // 32) ** 2
        for i, width in enumerate((HIDDEN // divide, HIDDEN // divide, classes)):
            self.layers.append(("dense", i))
            self.random_layer(f"vgg0_dense{i}", (width, n))
            n = width
        self.classes = classes

    def normal(self, shape, scale):
        return (self.random.standard_normal(shape, np.float32) * scale).astype("<f4")

    def random_layer(self, name, shape):
        deviation = (2 / np.prod(shape[1:])) ** .5
        self.weights[name + "_weight"] = self.normal(shape, deviation)
        self.weights[name + "_bias"] = self.normal(shape[0], .05)

    def random_norm(self, name, n):
        for part, middle in (("gamma", 1), ("beta", 0), ("running_mean", 0),
                             ("running_var", 1)):
            self.weights[f"{name}_{part}"] = np.abs(middle + self.normal(n, .1))

    def of(self, name):
        return self.weights[name + "_weight"], self.weights[name + "_bias"]

    def input(self, images, seed):
        random = np.random.default_rng(seed)
        return random.standard_normal((images, 3, self.side, self.side), np.float32)


def conv3x3(x, w, b):
    c, h, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    taps = np.stack([padded[:, i:i + h, j:j + width]
                     for i in range(3) for j in range(3)], 1)
    y = w.reshape(len(w), -1) @ taps.reshape(c * 9, -1)
    return (y + b[:, None]).reshape(len(w), h, width)


def shapes_and_ranges(net):
    """{tensor: (shape, smallest, largest value)} over a few random images; nets
    without BatchNorm."""
    found = {}

    def note(name, a):
        lo, hi = float(a.min()), float(a.max())
        if name in found:
            lo, hi = min(lo, found[name][1]), max(hi, found[name][2])
        found[name] = ((1, *a.shape), lo, hi)

    for x in net.input(CALIBRATION, 7):
        note("data", x)
        for kind, i in net.layers:
            if kind == "conv":
                x = np.maximum(conv3x3(x, *net.of(f"vgg0_conv{i}")), 0)
                note(f"vgg0_relu{i}_fwd", x)
            elif kind == "pool":
                c, h, w = x.shape
                x = x.reshape(c, h // 2, 2, w // 2, 2).max((2, 4))
                note(f"vgg0_pool{i}_fwd", x)
            else:
                w, b = net.of(f"vgg0_dense{i}")
                x = np.maximum(x.reshape(-1), 0) if i else x.reshape(-1)
                note(f"flatten_{FLATTEN[net.depth][i]}", x)
                note(f"vgg0_dense{i}_product", w @ x)
                x = w @ x + b
                note(f"vgg0_dense{i}_fwd", x)
    return found


CONV = {"dilations": [1, 1], "group": 1, "kernel_shape": [3, 3],
        "pads": [1, 1, 1, 1], "strides": [1, 1]}
POOL = {"kernel_shape": [2, 2], "pads": [0, 0, 0, 0], "strides": [2, 2]}
GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}


def mxnet(net, path, opset=7, spatial=0, flatten=True):
    """spatial: the attribute of BatchNormalization, if not None; flatten: the
    earliest files lack it in front of the first product."""
    nodes, last = [], "data"

    def add(op, inputs, output, **attributes):
        nonlocal last
        nodes.append(node(op, [last, *inputs], output, **attributes))
        last = output

    for kind, i in net.layers:
        if kind == "conv":
            add("Conv", [f"vgg0_conv{i}_weight", f"vgg0_conv{i}_bias"],
                f"vgg0_conv{i}_fwd", **CONV)
            if net.bn:
                add("BatchNormalization",
                    [f"vgg0_batchnorm{i}_{part}" for part in
                     ("gamma", "beta", "running_mean", "running_var")],
                    f"vgg0_batchnorm{i}_fwd", epsilon=1e-5, momentum=.9,
                    **({} if spatial is None else {"spatial": spatial}))
            add("Relu", [], f"vgg0_relu{i}_fwd")
        elif kind == "pool":
            add("MaxPool", [], f"vgg0_pool{i}_fwd", **POOL)
        else:
            if flatten:
                add("Flatten", [], f"flatten_{FLATTEN[net.depth][i]}")
            add("Gemm", [f"vgg0_dense{i}_weight", f"vgg0_dense{i}_bias"],
                f"vgg0_dense{i}_fwd", **GEMM)
            if i < 2:
                add("Relu", [], f"vgg0_dense{i}_relu_fwd")
                # Since opset 12 the ratio is an input.
                add("Dropout", [], f"vgg0_dropout{i}_fwd",
                    **({"ratio": .5} if opset < 12 else {}))
    old = opset < 9
    inputs = [value_info("data", (1, 3, net.side, net.side))]
    if old:
        inputs += [value_info(k, v.shape) for k, v in net.weights.items()]
    onnx_file.write(path, "mxnet_converted_model", nodes,
                    [tensor(k, v) for k, v in net.weights.items()], inputs,
                    value_info(last, (1, net.classes)), opset, 3 if old else 7)


def caffe2_names(net):
    """Caffe2's names by MXNet's: conv3_2 by vgg0_conv5, fc6 by vgg0_dense0."""
    names, index = {}, 0
    for block, count in enumerate(BLOCKS[net.depth], 1):
        for i in range(1, count + 1):
            names[f"vgg0_conv{index}"] = f"conv{block}_{i}"
            index += 1
    return names | {f"vgg0_dense{i}": f"fc{i + 6}" for i in range(3)}


def caffe2(net, path, opset):
    nodes, tensors, last = [], [], "data_0"
    names = caffe2_names(net)
    inputs = [value_info("data_0", (1, 3, net.side, net.side))]

    def constant(name, array):
        tensors.append(tensor(name, array))
        inputs.append(value_info(name, array.shape, array.dtype.name))
        return name

    def add(op, more, outputs, **attributes):
        nonlocal last
        nodes.append(node(op, [last, *more], outputs, name="", **attributes))
        last = outputs if isinstance(outputs, str) else outputs[0]

    for kind, i in net.layers:
        if kind == "pool":
            add("MaxPool", [], f"pool{i + 1}_1", **POOL)
            continue
        name = names[f"vgg0_{kind}{i}"]
        w, b = (constant(f"{name}_{part}_0", a)
                for part, a in zip("wb", net.of(f"vgg0_{kind}{i}")))
        if kind == "conv":
            add("Conv", [w, b], f"{name}_1", kernel_shape=[3, 3],
                pads=[1, 1, 1, 1], strides=[1, 1])
            add("Relu", [], f"{name}_2")
            continue
        if i == 0 and opset >= 5:
            shape = np.array([1, net.weights["vgg0_dense0_weight"].shape[1]], "<i8")
            add("Reshape", [constant("OC2_DUMMY_1", shape)], "OC2_DUMMY_0")
        add("Gemm", [w, b], f"{name}_1", transB=1,
            **({"broadcast": 1} if opset < 7 else {}))
        if i < 2:
            add("Relu", [], f"{name}_2")
            add("Dropout", [], [f"{name}_3", f"_{name}_mask_1"], ratio=.5,
                **({"is_test": 1} if opset < 7 else {}))
    add("Softmax", [], "prob_1")
    onnx_file.write(path, "vgg19", nodes, tensors, inputs,
                    value_info(last, (1, net.classes)), opset, 3)


class Quantised:
    """One of the forms of a quantised network, or a part of it: `steps` go from
    one tensor of bytes to the next, `write` takes the first and the last.

    form: qdq, qgemm, matmul. per_channel: of weights. signed: int8 activations.
    relu: it stays in front of QuantizeLinear, whose zero point does its work.
    levels: of weights, to each side. shift: the Flatten changes the scale."""

    def __init__(self, net, form, opset=12, per_channel=False, signed=False,
                 relu=False, levels=127, shift=False):
        self.net, self.form, self.opset, self.relu = net, form, opset, relu
        self.per_channel, self.levels = per_channel, levels
        self.dtype = np.dtype(np.int8 if signed else np.uint8)
        self.found = shapes_and_ranges(net)
        self.params = {n: self.scale_of(n, shift) for n in self.found}
        self.tensors_of_bytes, self.steps = ["data"], []
        for kind, i in net.layers:
            self.plan(kind, i)

    def scale_of(self, name, shift):
        _, lo, hi = self.found[name]
        lo, hi = min(lo, 0), max(hi, 0) * (1.25 if shift and "flatten" in name else 1)
        scale = np.float32((hi - lo) / 255)
        zero = round(-lo / float(scale)) + np.iinfo(self.dtype).min
        return scale, np.array(zero, self.dtype)

    def then(self, step, i, name):
        self.steps.append((step, i))
        self.tensors_of_bytes.append(name)

    def plan(self, kind, i):
        flat = f"flatten_{FLATTEN[self.net.depth][i]}" if kind == "dense" else None
        if kind == "conv":
            self.then(self.conv, i, f"vgg0_relu{i}_fwd")
        elif kind == "pool":
            # What only chooses among bytes has its input's scale.
            self.params[f"vgg0_pool{i}_fwd"] = self.params[self.tensors_of_bytes[-1]]
            self.then(self.pool, i, f"vgg0_pool{i}_fwd")
        else:
            self.then(self.flatten, i, flat)
            if self.form == "matmul":
                self.then(self.product, i, f"vgg0_dense{i}_product")
            self.then(self.dense, i, f"vgg0_dense{i}_fwd")

    # Writing: self.last is the newest tensor, of bytes between steps.
    def add(self, op, inputs, output, **attributes):
        self.nodes.append(node(op, [self.last, *inputs], output, **attributes))
        self.last = output

    def constant(self, name, array):
        self.tensors.append(tensor(name, array))
        return name

    def param(self, name):
        """Names of a tensor's scale and zero point."""
        scale, zero = self.params[name]
        if name not in self.stored:
            self.stored.add(name)
            self.constant(name + "_scale", scale)
            self.constant(name + "_zero_point", zero)
        return [name + "_scale", name + "_zero_point"]

    def quantize(self, name):
        self.add("QuantizeLinear", self.param(name), name + "_quantized")

    def dequantize(self, name):
        self.add("DequantizeLinear", self.param(name), name + "_dequantized")

    def weights_of(self, name, w, turn=False):
        """Names of the bytes, their scale and zero point; and the scale."""
        axes = tuple(range(1, w.ndim)) if self.per_channel else None
        scale = (np.abs(w).max(axes) / self.levels).astype("<f4")
        by = scale.reshape(-1, *[1] * (w.ndim - 1)) if self.per_channel else scale
        q = np.clip(np.rint(w / by), -self.levels, self.levels).astype(np.int8)
        return [self.constant(name + "_quantized", q.T if turn else q),
                self.constant(name + "_scale", scale),
                self.constant(name + "_zero_point", np.zeros(scale.shape, np.int8))
                ], scale

    def bias_of(self, name, b, scale):
        return self.constant(name + "_quantized",
                             np.rint(b / scale).astype("<i4")), scale.astype("<f4")

    def dequantized(self, name, inputs):
        axis = {"axis": 0} if self.per_channel else {}
        self.nodes.append(node("DequantizeLinear", inputs, name, **axis))
        return name

    def layer(self, name, source):
        """The operands of a product: bytes, or what DequantizeLinear gives."""
        w, b = self.net.of(name)
        names, scale = self.weights_of(name + "_weight", w)
        bias, scale = self.bias_of(name + "_bias", b, scale * self.params[source][0])
        if self.form != "qdq":
            return names, bias
        zero = self.constant(name + "_bias_zero_point", np.zeros(scale.shape, "<i4"))
        where = self.constant(name + "_bias_scale", scale)
        return [self.dequantized(name + "_weight", names),
                self.dequantized(name + "_bias", [bias, where, zero])], None

    def conv(self, i, source, to):
        weight, bias = self.layer(f"vgg0_conv{i}", source)
        if self.form != "qdq":
            self.add("QLinearConv", [*self.param(source), *weight, *self.param(to), bias],
                     to + "_quantized", name=f"vgg0_conv{i}_fwd_quant", **CONV)
            return
        self.dequantize(source)
        self.add("Conv", weight, f"vgg0_conv{i}_fwd", **CONV)
        if self.relu:
            self.add("Relu", [], to)
        self.quantize(to)

    def pool(self, i, source, to):
        if self.form == "qdq":
            self.dequantize(source)
            self.add("MaxPool", [], to, **POOL)
            self.quantize(to)
        else:
            self.add("MaxPool", [], to + "_quantized", **POOL)

    def flatten(self, i, source, to):
        self.dequantize(source)
        if i:
            self.add("Relu", [], f"vgg0_dense{i - 1}_relu_fwd")
        self.add("Flatten", [], to)
        self.quantize(to)

    def dense(self, i, source, to):
        name = f"vgg0_dense{i}"
        if self.form == "matmul":
            self.sum(name, source, to)
            return
        weight, bias = self.layer(name, source)
        if self.form == "qgemm":
            self.add("QGemm", [*self.param(source), *weight, bias, *self.param(to)],
                     to + "_quantized", domain=MICROSOFT, alpha=1.0, transA=0, transB=1)
            return
        self.dequantize(source)
        self.add("Gemm", weight, to, **GEMM)
        self.quantize(to)

    def product(self, i, source, to):
        weight, _ = self.weights_of(f"vgg0_dense{i}_weight",
                                    self.net.of(f"vgg0_dense{i}")[0], turn=True)
        self.add("QLinearMatMul", [*self.param(source), *weight, *self.param(to)],
                 to + "_quantized")

    def sum(self, name, source, to):
        b = self.net.of(name)[1]
        scale = np.float32((b.max() - b.min()) / 255)
        zero = np.rint(-b.min() / scale)
        q = np.clip(np.rint(b / scale) + zero, 0, 255) + np.iinfo(self.dtype).min
        low = zero + np.iinfo(self.dtype).min
        bias = [self.constant(name + "_bias_quantized", q.astype(self.dtype)),
                self.constant(name + "_bias_scale", scale),
                self.constant(name + "_bias_zero_point", low.astype(self.dtype))]
        self.add("QLinearAdd", [*self.param(source), *bias, *self.param(to)],
                 to + "_quantized", domain=MICROSOFT)

    def product_before(self, k):
        """The tensor in front of the newest step with weights that tensor k needs."""
        k -= 1
        while self.steps[k][0] in (self.pool, self.flatten):
            k -= 1
        # A sum belongs to its product.
        return k - (self.form == "matmul" and self.steps[k][0] == self.dense)

    def shape(self, k):
        return self.found[self.tensors_of_bytes[k]][0]

    def write(self, path, first=0, last=None):
        """The steps between two tensors; the input is the first one in floating
        point, the output the last one."""
        last = len(self.steps) if last is None else last
        names = self.tensors_of_bytes
        self.nodes, self.tensors, self.stored = [], [], set()
        self.last = "data" if not first else names[first] + "_input"
        inputs = [value_info(self.last, self.shape(first))]
        self.quantize(names[first])
        for k in range(first, last):
            step, i = self.steps[k]
            step(i, names[k], names[k + 1])
        self.dequantize(names[last])
        onnx_file.write(path, "mxnet_converted_model", self.nodes, self.tensors,
                        inputs, value_info(self.last, self.shape(last)), self.opset, 7,
                        [MICROSOFT] if self.form in ("qgemm", "matmul") else [])


def quantised(depth, form, **options):
    return lambda path, **size: Quantised(Net(depth, **size), form, **options).write(path)


def of_mxnet(depth, opset, bn=False):
    return lambda path, **size: mxnet(Net(depth, bn=bn, **size), path, opset)


FILES = {
    "vgg16-7": of_mxnet(16, 7),
    "vgg16-bn-7": of_mxnet(16, 7, bn=True),
    "vgg19-7": of_mxnet(19, 7),
    "vgg19-bn-7": of_mxnet(19, 7, bn=True),
    "vgg16-12": of_mxnet(16, 12),
    "vgg16-12-int8": quantised(16, "qgemm", per_channel=True),
    "vgg16-12-qdq": quantised(16, "qdq"),
}
for version in (3, 6, 7, 8, 9):
    FILES[f"vgg19-caffe2-{version}"] = (
        lambda path, opset=version, **size: caffe2(Net(19, **size), path, opset))


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("name", nargs="?", choices=sorted(FILES), metavar="NAME")
    p.add_argument("file", nargs="?", metavar="FILE")
    p.add_argument("--list", action="store_true", help="list the names")
    p.add_argument("--divide", type=int, default=1, metavar="N",
                   help="all widths by N; default: 1")
    p.add_argument("--side", type=int, default=224, metavar="PIXELS")
    p.add_argument("--classes", type=int, default=1000, metavar="N")
    args = p.parse_args()
    if args.list:
        print(*sorted(FILES), sep="\n")
    elif args.side % 32 or args.side < 32 or not 1 <= args.divide <= 64:
        p.error("the side must be a multiple of 32, the divisor 1 to 64")
    elif args.name and args.file:
        FILES[args.name](args.file, divide=args.divide, side=args.side,
                         classes=args.classes)
    else:
        p.error("give a name and a file, or --list")


if __name__ == "__main__":
    main()
