# SPDX-License-Identifier: MIT
"""HDF5 files as Keras 2 and 3 lay them out, of networks in PyTorch.

Keras itself isn't needed: h5py writes what it would.
"""
import json

import h5py
import numpy as np
from torch import nn


def keras_layers(net):
    """(kind, [(name, array)]) of each layer, in Keras' order of dimensions."""
    channels, layers, flat = 0, [], True
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            kernel = m.weight.detach().numpy().transpose(2, 3, 1, 0)
            layers.append(("conv2d", [("kernel", kernel), ("bias", m.bias)]))
            channels = m.out_channels
        elif isinstance(m, nn.Linear):
            w = m.weight.detach().numpy()
            if flat:
                side = round((w.shape[1] / channels) ** .5)
                w = w.reshape(-1, channels, side, side).transpose(0, 2, 3, 1)
                w = w.reshape(w.shape[0], -1)
            flat = False
            layers.append(("dense", [("kernel", w.T), ("bias", m.bias)]))
        elif isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layers.append(("batch_normalization",
                           [("gamma", m.weight), ("beta", m.bias),
                            ("moving_mean", m.running_mean),
                            ("moving_variance", m.running_var)]))
        elif isinstance(m, (nn.ReLU, nn.MaxPool2d, nn.Dropout)):
            layers.append((type(m).__name__.lower(), []))
    return [(kind, [(n, a if isinstance(a, np.ndarray) else a.detach().numpy())
                    for n, a in weights]) for kind, weights in layers]


def numbered(layers, first=0):
    """Names as Keras makes them up: conv2d, conv2d_1, ..."""
    seen = {}
    for kind, weights in layers:
        n = seen[kind] = seen.get(kind, first - 1) + 1
        yield (f"{kind}_{n}" if n else kind), weights


def keras2(group, net, suffix=":0", first=0, dtype=np.float32, text=np.bytes_):
    """As save_weights("x.h5") does."""
    layers = list(numbered(keras_layers(net), first))
    group.attrs["layer_names"] = [text(name) for name, _ in layers]
    group.attrs["backend"] = b"tensorflow"
    group.attrs["keras_version"] = b"2.4.0"
    for name, weights in layers:
        g = group.create_group(name)
        names = [f"{name}/{n}{suffix}" for n, _ in weights]
        g.attrs["weight_names"] = [text(n) for n in names]
        for n, (_, array) in zip(names, weights):
            g.create_dataset(n, data=array.astype(dtype))


def whole(file, net, about, **options):
    """As model.save("x.h5") does; about: the network's description."""
    file.attrs["model_config"] = json.dumps(about).encode()
    keras2(file.create_group("model_weights"), net, **options)
    file.create_group("optimizer_weights")


def keras3(file, net, folder="layers"):
    """As save_weights("x.weights.h5") does."""
    top = file.create_group(folder)
    file.create_group("vars")
    for name, weights in numbered(keras_layers(net)):
        g = top.create_group(name)
        v = g.create_group("vars")
        for i, (_, array) in enumerate(weights):
            v.create_dataset(str(i), data=array)
        if name.startswith("dropout"):
            seed = g.create_group("seed_generator/vars")
            seed.create_dataset("0", data=np.array([1, 2], np.uint32))


def saver(write, net, *more, **options):
    def save(path):
        with h5py.File(path, "w") as file:
            write(file, net, *more, **options)
    return save
