# SPDX-License-Identifier: MIT
"""A network's description (model_config) as Keras 2 and 3 write it.

Keras itself isn't needed: what each version writes is here, option by option.
"""
import copy

from torch import nn

KERAS2, KERAS3 = 2, 3

ZEROS = {"class_name": "Zeros", "config": {}}
ONES = {"class_name": "Ones", "config": {}}
GLOROT = {"class_name": "GlorotUniform", "config": {"seed": None}}
NOTHING = {"kernel_regularizer": None, "bias_regularizer": None,
           "activity_regularizer": None, "kernel_constraint": None,
           "bias_constraint": None}


def conv(m, activation="linear"):
    kernel = list(m.kernel_size)
    same = m.padding[0] == kernel[0] // 2
    return "Conv2D", {"filters": m.out_channels, "kernel_size": kernel,
                      "strides": list(m.stride), "padding": "same" if same else "valid",
                      "data_format": "channels_last", "dilation_rate": [1, 1],
                      "groups": 1, "activation": activation, "use_bias": True,
                      "kernel_initializer": GLOROT, "bias_initializer": ZEROS, **NOTHING}


def dense(m, activation="linear"):
    return "Dense", {"units": m.out_features, "activation": activation, "use_bias": True,
                     "kernel_initializer": GLOROT, "bias_initializer": ZEROS, **NOTHING}


def norm(m, version):
    axis = len(m.weight.shape) and (3 if isinstance(m, nn.BatchNorm2d) else 1)
    return "BatchNormalization", {
        "axis": [axis] if version == KERAS2 else -1, "momentum": .99, "epsilon": m.eps,
        "center": True, "scale": True, "beta_initializer": ZEROS,
        "gamma_initializer": ONES, "moving_mean_initializer": ZEROS,
        "moving_variance_initializer": ONES, "beta_regularizer": None,
        "gamma_regularizer": None, "beta_constraint": None, "gamma_constraint": None}


def pool(m):
    return "MaxPooling2D", {"pool_size": [m.kernel_size] * 2, "padding": "valid",
                            "strides": [m.stride] * 2, "data_format": "channels_last"}


def plain(net, inside, version, softmax):
    """(class, options) of each layer; activations inside of layers, or behind."""
    steps = [m for m in net.modules()
             if isinstance(m, (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d,
                               nn.ReLU, nn.MaxPool2d, nn.Dropout))]
    flat = False
    for i, m in enumerate(steps):
        relu = i + 1 < len(steps) and isinstance(steps[i + 1], nn.ReLU)
        last = i + 1 == len(steps) and softmax
        activation = ("relu" if relu else "softmax" if last else "linear") \
            if inside else "linear"
        if isinstance(m, nn.Conv2d):
            yield conv(m, activation)
        elif isinstance(m, nn.Linear):
            if not flat:
                yield "Flatten", {"data_format": "channels_last"}
            flat = True
            yield dense(m, activation)
        elif isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            yield norm(m, version)
        elif isinstance(m, nn.MaxPool2d):
            yield pool(m)
        elif isinstance(m, nn.Dropout):
            yield "Dropout", {"rate": m.p, "noise_shape": None, "seed": None}
        elif not inside:
            yield "Activation", {"activation": "relu"}
        if last and not inside:
            yield "Activation", {"activation": "softmax"}


def snake(name):
    return {"Conv2D": "conv2d", "MaxPooling2D": "max_pooling2d",
            "BatchNormalization": "batch_normalization"}.get(name, name.lower())


def entry(name, options, version, seen):
    n = seen[name] = seen.get(name, -1) + 1
    label = snake(name) + (f"_{n}" if n else "")
    layer = {"class_name": name, "config": {"name": label, "trainable": True,
                                            "dtype": "float32", **copy.deepcopy(options)}}
    if version == KERAS3:
        layer["config"]["dtype"] = {"module": "keras", "class_name": "DTypePolicy",
                                    "config": {"name": "float32"},
                                    "registered_name": None}
        layer.update(module="keras.layers", registered_name=None,
                     build_config={"input_shape": [None, 32, 32, 3]})
    return layer


def chain(layers, version):
    """Each layer's predecessor, as functional networks have it."""
    before = None
    for layer in layers:
        layer["name"] = layer["config"]["name"]
        if before is None:
            layer["inbound_nodes"] = []
        elif version == KERAS2:
            layer["inbound_nodes"] = [[[before, 0, 0, {}]]]
        else:
            tensor = {"class_name": "__keras_tensor__",
                      "config": {"shape": [None, 32, 32, 3], "dtype": "float32",
                                 "keras_history": [before, 0, 0]}}
            layer["inbound_nodes"] = [{"args": [tensor], "kwargs": {}}]
        before = layer["name"]
    ends = [[layers[0]["name"], 0, 0]], [[before, 0, 0]]
    if version == KERAS3:
        ends = ends[0][0], ends[1][0]
    return {"input_layers": ends[0], "output_layers": ends[1]}


def config(net, version=KERAS2, functional=False, inside=True, softmax=True, size=32):
    """The whole description."""
    seen, shape = {}, [None, size, size, 3]
    first = {"batch_shape" if version == KERAS3 else "batch_input_shape": shape,
             "sparse": False}
    layers = [entry("InputLayer", first, version, seen)]
    layers += [entry(name, options, version, seen)
               for name, options in plain(net, inside, version, softmax)]
    kind, more = "Sequential", {}
    if functional:
        kind, more = "Functional", chain(layers, version)
    about = {"class_name": kind, "config": {"name": kind.lower(), "layers": layers, **more}}
    if version == KERAS3:
        about.update(module="keras", registered_name=kind)
    else:
        about.update(keras_version="2.4.0", backend="tensorflow")
    return about


def layer(about, name):
    """One layer's options, to change."""
    return next(x for x in about["config"]["layers"] if x["config"]["name"] == name)
