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

from keras_layouts import keras2, keras3, keras_layers, saver, whole
from nets import MiniVGG, Tap, Torchvision, VGGCTL, compare, imported, randomise

warnings.filterwarnings("ignore")
tap = Tap()


mini = randomise(MiniVGG(eps=1e-3), 1)
wide = randomise(MiniVGG((64, 64, 64, 64), 256, eps=1e-3), 2)
eps = randomise(MiniVGG(eps=2e-2), 3)
for net, name in ((mini, "mini-VGG"), (wide, "mini-VGG, 64 filters")):
    tap.agrees(f"{name}, Keras 2", net, 32, saver(keras2, net), suffix=".h5")
    tap.agrees(f"{name}, Keras 2, whole", net, 32, saver(whole, net, [1e-3, 1e-3]),
               suffix=".hdf5")
    tap.agrees(f"{name}, Keras 3", net, 32, saver(keras3, net), suffix=".weights.h5")
tap.agrees("names of Keras 3 in the layout of Keras 2", mini, 32,
           saver(keras2, mini, suffix="", first=7, text=str), suffix=".h5")
tap.agrees("the layout between Keras 2 and 3", mini, 32,
           saver(keras3, mini, "_layer_checkpoint_dependencies"), suffix=".h5")
tap.agrees("doubles", mini, 32, saver(keras2, mini, dtype=np.float64), suffix=".h5")
tap.agrees("another epsilon", eps, 32, saver(whole, eps, [2e-2]), suffix=".h5")

# Eleven layers of a kind and more: conv2d_10 isn't behind conv2d_1.
vgg19 = randomise(Torchvision("E", side=2, classes=10, hidden=4096), 4)
tap.agrees("vgg19, Keras 3", vgg19, 64, saver(keras3, vgg19), "vgg19",
           suffix=".weights.h5")
tap.agrees("vgg19, Keras 2", vgg19, 64, saver(keras2, vgg19), "vgg19", suffix=".h5")
tap.refuses("the wrong architecture", saver(keras3, vgg19),
            "for features.17.weight, found", "vgg16", suffix=".h5")
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
tap.refuses("two epsilons", saver(whole, eps, [1e-3, 2e-2]), "have several epsilons")


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


def without_reader(path):
    saver(keras2, mini)(path)
    done = subprocess.run([VGGCTL, "import", path, "-o", path + ".model"],
                          env={**os.environ, "VGG_PLUGINS": path + ".none"},
                          capture_output=True, text=True)
    assert done.returncode == 1 and "install libhdf5-dev" in done.stderr, done.stderr


tap.case("cut files", cut)
tap.case("without the reader", without_reader)
sys.exit(tap.end())
