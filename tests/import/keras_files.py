#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""HDF5 files as Keras 2 and 3 lay them out, against PyTorch of the same weights.

Prints TAP.
"""
import os
import shutil
import subprocess
import sys
import warnings

import h5py
import numpy as np

from keras_configs import KERAS2, KERAS3, config, layer
from keras_layouts import keras2, keras3, keras_layers, saver, whole
from nets import MiniVGG, Tap, Torchvision, VGGCTL, compare, imported, randomise

warnings.filterwarnings("ignore")
tap = Tap()


mini = randomise(MiniVGG(eps=1e-3), 1)
wide = randomise(MiniVGG((64, 64, 64, 64), 256, eps=1e-3), 2)
eps = randomise(MiniVGG(eps=2e-2), 3)
for net, name in ((mini, "mini-VGG"), (wide, "mini-VGG, 64 filters")):
    tap.agrees(f"{name}, Keras 2", net, 32, saver(keras2, net), suffix=".h5")
    tap.agrees(f"{name}, Keras 2, whole", net, 32, saver(whole, net, config(net)),
               suffix=".hdf5")
    tap.agrees(f"{name}, Keras 3", net, 32, saver(keras3, net), suffix=".weights.h5")
tap.agrees("names of Keras 3 in the layout of Keras 2", mini, 32,
           saver(keras2, mini, suffix="", first=7, text=str), suffix=".h5")
tap.agrees("the layout between Keras 2 and 3", mini, 32,
           saver(keras3, mini, "_layer_checkpoint_dependencies"), suffix=".h5")
tap.agrees("doubles", mini, 32, saver(keras2, mini, dtype=np.float64), suffix=".h5")
tap.agrees("another epsilon", eps, 32, saver(whole, eps, config(eps)), suffix=".h5")

# Eleven layers of a kind and more: conv2d_10 isn't behind conv2d_1.
vgg19 = randomise(Torchvision("E", side=2, classes=10, hidden=4096), 4)
tap.agrees("vgg19, Keras 3", vgg19, 64, saver(keras3, vgg19), "vgg19",
           suffix=".weights.h5")
tap.agrees("vgg19, Keras 2", vgg19, 64, saver(keras2, vgg19), "vgg19", suffix=".h5")
tap.refuses("the wrong architecture", saver(keras3, vgg19),
            "16 convolutions, the architecture has 13", "vgg16", suffix=".h5")
del vgg19


def application(file, net):
    """Keras' own VGG16: layers with these names, images blue, green, red."""
    names = [f"block{b}_conv{c}" for b, n in enumerate((2, 2, 3, 3, 3), 1)
             for c in range(1, n + 1)] + ["fc1", "fc2", "predictions"]
    layers = [weights for _, weights in keras_layers(net) if weights]
    file.attrs["layer_names"] = [n.encode() for n in names]
    for name, weights in zip(names, layers):
        g = file.create_group(name)
        g.attrs["weight_names"] = [f"{name}/{n}:0".encode() for n, _ in weights]
        for n, array in weights:
            g.create_dataset(f"{name}/{n}:0", data=array)


def caffe(path):
    vgg16 = randomise(Torchvision("D", side=1), 5)
    saver(application, vgg16)(path)
    error, same = compare(lambda x: vgg16(x.flip(1)), path, 32, "vgg16")
    print(f"# {error:.1e}")
    assert error <= 1e-4 and same, error
    words = imported(path, "vgg16").stdout
    assert "mean 0.485 0.458 0.4076, std 0.003922" in words, words


tap.case("Keras' own VGG16 takes blue for red", caffe)


# What the description of a whole model says must be the architecture.
for version in (KERAS2, KERAS3):
    for functional in (False, True):
        for inside in (False, True):
            tap.agrees(f"Keras {version}'s description, functional {functional}, "
                       f"activations inside {inside}", mini, 32,
                       saver(whole, mini, config(mini, version, functional, inside)),
                       suffix=".h5")
logits = randomise(MiniVGG(eps=1e-3), 1)
logits.forward = logits.logits
tap.agrees("without a softmax", logits, 32,
           saver(whole, logits, config(logits, softmax=False)), suffix=".h5")


def first_behind(about, moved, behind):
    """Moves a layer behind another one."""
    layers = about["config"]["layers"]
    at = layers.index(layer(about, moved))
    layers.insert(layers.index(layer(about, behind)), layers.pop(at))


def padded_by_layers(about):
    """As VGGs were written in Keras at first."""
    layers = about["config"]["layers"]
    for i in reversed([i for i, x in enumerate(layers) if x["class_name"] == "Conv2D"]):
        layers[i]["config"]["padding"] = "valid"
        layers.insert(i, {"class_name": "ZeroPadding2D", "config": {
            "name": f"zero_padding2d_{i}", "padding": [[1, 1], [1, 1]],
            "data_format": "channels_last"}})


def in_another(about):
    """All but the input in a network of its own."""
    layers = about["config"]["layers"]
    about["config"]["layers"] = [layers[0], {
        "class_name": "Sequential", "config": {"name": "inner", "layers": layers[1:]}}]


def only_list(about):
    about["config"] = about["config"]["layers"]


def newer_activation(about):
    layer(about, "conv2d")["config"]["activation"] = {
        "module": "builtins", "class_name": "function", "config": "relu",
        "registered_name": "function"}


def relu_layer(about):
    layer(about, "conv2d")["config"]["activation"] = "linear"
    layers = about["config"]["layers"]
    layers.insert(layers.index(layer(about, "conv2d")) + 1, {
        "class_name": "ReLU", "config": {"name": "re_lu", "max_value": None,
                                         "negative_slope": 0.0, "threshold": 0.0}})


def described(edit, net=mini, **options):
    def save(path):
        about = config(net, **options)
        edit(about)
        saver(whole, net, about)(path)
    return save


for name, edit in [("zeros by layers", padded_by_layers), ("a network in it", in_another),
                   ("the list alone", only_list), ("ReLU as a layer", relu_layer),
                   ("an activation as Keras 3 names it", newer_activation)]:
    tap.agrees(f"described: {name}", mini, 32, described(edit), suffix=".h5")


def option(name, key, value):
    def edit(about):
        layer(about, name)["config"][key] = value
    return edit


def branch(about):
    layer(about, "conv2d_1")["inbound_nodes"][0].append(["conv2d", 0, 0, {}])


def rename(name, kind):
    def edit(about):
        layer(about, name)["class_name"] = kind
    return edit


for name, edit, words, options in [
        ("BatchNorm before the ReLU",
         lambda a: first_behind(a, "batch_normalization", "activation"),
         'layer "batch_normalization" (BatchNormalization), where minivgg_cifar10 has a '
         'ReLU', {"inside": False}),
        ("no ReLU", option("conv2d_1", "activation", "linear"),
         'layer "batch_normalization_1" (BatchNormalization), where minivgg_cifar10 has '
         'a ReLU', {}),
        ("tanh", option("conv2d_2", "activation", "tanh"),
         'layer "conv2d_2" (Conv2D): activation is "tanh", expected relu', {}),
        ("tanh as a layer", option("activation_1", "activation", "tanh"),
         'layer "activation_1" (Activation): activation is "tanh", expected relu',
         {"inside": False}),
        ("a sigmoid at the end", option("dense_1", "activation", "sigmoid"),
         'activation is "sigmoid", expected softmax or linear', {}),
        ("no padding", option("conv2d", "padding", "valid"),
         'layer "conv2d" (Conv2D): padding is "valid", expected what adds 1', {}),
        ("a stride", option("conv2d", "strides", [2, 2]),
         "strides is [2,2], expected [1,1]", {}),
        ("dilation", option("conv2d", "dilation_rate", [2, 2]),
         "dilation_rate is [2,2], expected [1,1]", {}),
        ("a larger pool", option("max_pooling2d", "pool_size", [3, 3]),
         'layer "max_pooling2d" (MaxPooling2D): pool_size is [3,3], expected [2,2]', {}),
        ("overlapping pools", option("max_pooling2d", "strides", [1, 1]),
         "strides is [1,1], expected [2,2]", {}),
        ("the mean of a pool", rename("max_pooling2d", "AveragePooling2D"),
         'layer "max_pooling2d" (AveragePooling2D) is not known here, where '
         'minivgg_cifar10 has a max-pooling', {}),
        ("another input", option("inputlayer",
                                 "batch_input_shape", [None, 35, 32, 3]),
         "expected 32x32 pixels", {}),
        ("BatchNorm over rows", option("batch_normalization", "axis", [1]),
         "axis is [1], expected the channels'", {}),
        ("a ReLU up to 6", lambda a: (relu_layer(a),
                                      option("re_lu", "max_value", 6.0)(a)),
         'layer "re_lu" (ReLU): max_value is 6.0, expected null', {}),
        ("an unknown layer", rename("dropout", "Lambda"),
         'layer "dropout" (Lambda) is not known here', {}),
        ("a branch", branch, 'layer "conv2d_1" (Conv2D) doesn\'t follow the one before',
         {"functional": True}),
        ("two outputs", lambda a: a["config"]["output_layers"].append(["dense", 0, 0]),
         'layer "dense_1" isn\'t the only output', {"functional": True}),
        ("an end too early", lambda a: a["config"]["layers"].pop(),
         "the network's description ends where minivgg_cifar10 has a dense layer", {}),
        ("no list", lambda a: a.update({"class_name": "MyNetwork", "config": {}}),
         "description (MyNetwork) is no list of layers", {}),
        ("two epsilons", option("batch_normalization_2", "epsilon", 2e-2),
         "have several epsilons", {}),
        ("channels in two orders", option("max_pooling2d", "data_format", "channels_first"),
         'data_format is "channels_first", expected channels_last', {}),
]:
    tap.refuses(f"described: {name}", described(edit, **options), words, suffix=".h5")


def channels_first(about):
    """Flatten turns them, unless it is told that they are last."""
    for x in about["config"]["layers"]:
        if x["class_name"] in ("Conv2D", "MaxPooling2D"):
            x["config"]["data_format"] = "channels_first"
        if x["class_name"] == "BatchNormalization" and x["config"]["axis"] == [3]:
            x["config"]["axis"] = [1]
        if "batch_input_shape" in x["config"]:
            x["config"]["batch_input_shape"] = [None, 3, 32, 32]


tap.agrees("described: channels first, turned by Flatten", mini, 32, described(
    lambda a: (channels_first(a), option("flatten", "data_format", "channels_first")(a))),
    suffix=".h5")


def flat_by_channel(path):
    """As weights of a network whose Flatten left them channel, row, column."""
    described(channels_first)(path)
    with h5py.File(path, "r+") as file:
        kernel = file["model_weights/dense/dense/kernel:0"]
        kernel[:] = mini.classifier[0].weight.detach().numpy().T


tap.agrees("described: channels first, flattened so", mini, 32, flat_by_channel,
           suffix=".h5")


# Weights alone say neither the epsilon nor the layers' order.
tap.agrees("an epsilon that is given", eps, 32, saver(keras2, eps),
           suffix=".h5", more=["--epsilon", "2e-2"])
tap.tells("what is assumed of weights alone", saver(keras2, mini),
          "conv, relu, bn; BatchNorm's epsilon 0.001 (Keras' default)", suffix=".h5")
tap.tells("what is assumed with a given epsilon", saver(keras2, mini),
          "conv, relu, bn; BatchNorm's epsilon 0.02 (as given)", suffix=".h5",
          more=["--epsilon", "2e-2"])
tap.refuses("another epsilon than the file's", saver(whole, eps, config(eps)),
            "an epsilon of 0.001, but the file says that it is 0.02", suffix=".h5",
            more=["--epsilon", "1e-3"])


def nothing_assumed(path):
    saver(whole, eps, config(eps))(path)
    words = imported(path).stdout
    assert "network" in words and "assumed" not in words, words


tap.case("a whole model leaves nothing to assume", nothing_assumed)


def edited(edit):
    def save(path):
        saver(keras2, mini)(path)
        with h5py.File(path, "r+") as file:
            edit(file)
    return save


def replace(name, **options):
    def edit(file):
        shape = file[name].shape
        del file[name]
        file.create_dataset(name, shape=shape, **options)
    return edit


FIRST = "conv2d/conv2d/kernel:0"


def external_link(file):
    del file[FIRST]
    file[FIRST] = h5py.ExternalLink("/tmp/other.h5", "/kernel")


def external_group(file):
    del file["conv2d"]
    file["conv2d"] = h5py.ExternalLink("/tmp/other.h5", "/")


def soft_link(file):
    del file[FIRST]
    file[FIRST] = h5py.SoftLink("/conv2d/conv2d/bias:0")


def virtual(file):
    shape = file[FIRST].shape
    del file[FIRST]
    layout = h5py.VirtualLayout(shape=shape, dtype="f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "kernel", shape=shape)
    file.create_virtual_dataset(FIRST, layout)


def huge(file):
    del file[FIRST]
    file.create_dataset(FIRST, shape=(1 << 20, 1 << 20, 3, 32), dtype="f4",
                        chunks=(1, 1, 3, 32))


def weight_names(names):
    def edit(file):
        file["conv2d"].attrs["weight_names"] = names
    return edit


for name, edit, words in [
        ("a link to another file", external_link, 'no "kernel:0" in the file itself'),
        ("a layer in another file", external_group, 'no "conv2d" in the file itself'),
        ("a soft link", soft_link, 'no "kernel:0" in the file itself'),
        ("a virtual dataset", virtual, "no floating-point numbers in this file"),
        ("external storage", replace(FIRST, dtype="f4",
                                     external=[("/etc/passwd", 0, 3456)]),
         "no floating-point numbers in this file"),
        ("integers", replace(FIRST, dtype="i4"), "no floating-point numbers"),
        ("more than any memory", huge, "are too large or empty"),
        ("no bias", weight_names([b"conv2d/kernel:0"]),
         "layer conv2d has 1 weights, the first of 4 dimensions"),
        ("an unknown role", weight_names([b"conv2d/kernel:0", b"conv2d/kernel:0"]),
         "neither a convolution nor a dense layer with bias"),
        ("names that are numbers", weight_names([1, 2]), "is no list of names"),
        ("a name without weights", weight_names([b"conv2d/x", b"conv2d/y"]),
         'no "x" in the file itself'),
        ("a group for weights", weight_names([b"conv2d", b"conv2d"]),
         '"conv2d" of layer conv2d is no dataset'),
        ("a missing layer", lambda f: f.__delitem__("dense_1"),
         'no "dense_1" in the file itself'),
        ("no layers", lambda f: f.attrs.__delitem__("layer_names"),
         "no weights of Keras are in it"),
        ("NaN", lambda f: f[FIRST].__setitem__((1, 2, 0, 5), np.nan),
         'element 140 of tensor "conv2d.weight" is not a finite float'),
]:
    tap.refuses(name, edited(edit), words, suffix=".h5")


def cut(path):
    saver(keras2, mini)(path)
    size = os.path.getsize(path)
    for keep in (8, 96, 512, 2048, size // 4, size // 2, size - 1):
        shutil.copy(path, path + ".cut")
        os.truncate(path + ".cut", keep)
        done = imported(path + ".cut")
        assert done.returncode == 1 and "[MODEL_FORMAT]" in done.stderr, (
            keep, done.returncode, done.stderr)


def crashes(path):
    """A size in the heap of attributes that leads out of it: libhdf5 dies of it."""
    described(lambda about: None)(path)
    with open(path, "r+b") as file:
        heap = file.read().index(b"GCOL")
        file.seek(heap + 16 + 8)  # the first object's size
        file.write(b"\xff\xff\xff\x00")
    done = imported(path)
    assert done.returncode == 1 and "libhdf5 crashed on this file" in done.stderr, (
        done.returncode, done.stderr)


def endless(path):
    """A reader in circles is ended, and nobody waits for it for ever."""
    saver(keras2, mini)(path)
    reader = os.path.join(os.path.dirname(path), "libvggaccel-hdf5.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-Ilib", "-o", reader,
                    "tests/import/endless_reader.c"], check=True)
    done = subprocess.run([VGGCTL, "import", path, "-o", path + ".model"],
                          env={**os.environ, "VGG_PLUGINS": os.path.dirname(path)},
                          capture_output=True, text=True)
    assert done.returncode == 1 and "libhdf5 came to no end with this file" in \
        done.stderr and "[MODEL_FORMAT]" in done.stderr, (done.returncode, done.stderr)
    with open(path, "rb") as file:
        assert file.read().endswith(b"20 s")


def hollow(file):
    """Declared, never written: HDF5 would read zeros."""
    del file[FIRST]
    file.create_dataset(FIRST, shape=(32768, 16384), dtype="f4", chunks=(64, 64))


def hollow_packed(file):
    del file[FIRST]
    file.create_dataset(FIRST, shape=(32768, 16384), dtype="f4", chunks=(64, 64),
                        compression="gzip")


def packed(file):
    data = file[FIRST][:]
    del file[FIRST]
    file.create_dataset(FIRST, data=data, chunks=True, compression="gzip")


tap.agrees("compressed weights", mini, 32, edited(packed), suffix=".h5")
for name, edit in ("hollow", hollow), ("hollow and compressed", hollow_packed):
    tap.refuses(name, edited(edit), 'weights "conv2d/kernel:0" of layer conv2d have '
                "536870912 elements, but 0 bytes in the file", suffix=".h5")
tap.case("a file that libhdf5 crashes on", crashes)
tap.case("a file that libhdf5 comes to no end with", endless)


def without_reader(path):
    saver(keras2, mini)(path)
    done = subprocess.run([VGGCTL, "import", path, "-o", path + ".model"],
                          env={**os.environ, "VGG_PLUGINS": path + ".none"},
                          capture_output=True, text=True)
    assert done.returncode == 1 and "install libhdf5-dev" in done.stderr, done.stderr


tap.case("cut files", cut)
tap.case("without the reader", without_reader)
sys.exit(tap.end())
