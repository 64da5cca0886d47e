#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Golden outputs of the named architectures, computed by PyTorch.

    tools/golden/logits.py [NAME...]

Makes each network with the seeded weights that lib/model/random.c describes, by
the same formula but in numpy, runs it on one seeded input and stores the output
in tests/golden/logits/NAME.npy (float32). digests.txt beside it gets a digest
of the weights, so that a test can tell wrong weights from wrong arithmetic.
Development only: needs Debian's python3-torch, -torchvision and -numpy, 2 GB of
memory and a few minutes.
"""
import os
import pathlib
import sys

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
import torch
import torchvision
from torch import nn

SEED = 1
INPUT_TENSOR = 1_000_000  # the input's number among the tensors
OUT = pathlib.Path(__file__).parents[2] / "tests/golden/logits"
STEP = 0x9E3779B97F4A7C15
MASK = 2**64 - 1
CHUNK = 1 << 21


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def unit(tensor, first, count):
    """Elements first.. of a tensor, uniform in 0..1 (doubles)."""
    start = np.array([(SEED + (tensor + 1) * STEP) & MASK], np.uint64)
    index = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    bits = mix(mix(start) + index * np.uint64(STEP)) >> np.uint64(40)
    return bits.astype(np.float64) / 2**24


def tensor(number, shape, value):
    """float32 of this shape from value(u); in pieces, to save memory."""
    flat = np.empty(int(np.prod(shape)), np.float32)
    for first in range(0, flat.size, CHUNK):
        part = flat[first:first + CHUNK]
        part[:] = value(unit(number, first, part.size))
    return flat.reshape(shape)


def around_zero(bound):
    return lambda u: bound * (2 * u - 1)


def around_one(u):
    return 0.5 + u


def parameters_of(module):
    """(tensor, formula) of a module in the order of their numbers."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        inputs = module.weight[0].numel()
        return [(module.weight, around_zero(np.sqrt(6.0 / inputs))),
                (module.bias, around_zero(0.05))]
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        return [(module.weight, around_one),
                (module.bias, around_zero(0.1)),
                (module.running_mean, around_zero(0.1)),
                (module.running_var, around_one)]
    return []


def folded(norm, gamma, beta, mean, var):
    """BatchNorm as scale and shift, rounded as vgg_norm_fold() does."""
    wide = np.float64
    scale = (gamma.astype(wide) / np.sqrt(var.astype(wide) + norm.eps))
    scale = scale.astype(np.float32)
    shift = beta.astype(wide) - mean.astype(wide) * scale.astype(wide)
    return [scale, shift.astype(np.float32)]


def digest(array):
    """The sum of bits[i] * (2 i + 1) modulo 2^64."""
    bits = array.reshape(-1).view(np.uint32)
    total = 0
    for first in range(0, bits.size, CHUNK):
        part = bits[first:first + CHUNK].astype(np.uint64)
        odd = 2 * np.arange(first, first + part.size, dtype=np.uint64) + 1
        total += int((part * odd.astype(np.uint64)).sum(dtype=np.uint64))
    return total & MASK


def seed_weights(net):
    """Fills the network; returns the digest of what it computes with."""
    number = total = 0
    for module in net.modules():
        arrays = []
        for target, value in parameters_of(module):
            arrays.append(tensor(number, tuple(target.shape), value))
            with torch.no_grad():
                target.copy_(torch.from_numpy(arrays[-1]))
            number += 1
        if len(arrays) == 4:
            arrays = folded(module, *arrays)
        for array in arrays:
            total = (total * 31 + digest(array)) & MASK
    return total


def convolutions(words, norm):
    """The features of a VGG; words as in arch.c, norm: None, "before" or "behind" the
    ReLU."""
    channels, layers = 3, []
    for word in words.split():
        if word == "L":
            # Krizhevsky's alpha of 1e-4 multiplies the sum of 5 squares,
            # PyTorch's their mean.
            layers.append(nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0))
        elif word[0] == "M":
            layers.append(nn.MaxPool2d(2, padding=int(word == "Mp")))
        else:
            width = int(word.rstrip("vp"))
            layers.append(nn.Conv2d(channels, width,
                                    1 if word[-1] == "p" else 3,
                                    padding=int(word.isdigit())))
            channels = width
            both = [nn.ReLU()]
            if norm:
                both.insert(norm == "behind", nn.BatchNorm2d(width))
            layers += both
    return layers


def network(words, inputs, widths, norm=None, end=()):
    layers = convolutions(words, norm) + [nn.Flatten()]
    for i, width in enumerate(widths):
        layers.append(nn.Linear(inputs, width))
        inputs = width
        if i < len(widths) - 1:
            layers.append(nn.ReLU())
            if norm == "behind":
                layers.append(nn.BatchNorm1d(width))
    return nn.Sequential(*layers, *end)


def torchvision_vgg(name):
    return lambda: getattr(torchvision.models, name)(weights=None,
                                                     init_weights=False)


def small_bn():
    """vgg11_bn for 32x32 pixels, without torchvision's adaptive pooling."""
    big = torchvision.models.vgg11_bn(weights=None, init_weights=False)
    return nn.Sequential(big.features, nn.Flatten(),
                         network("", 512, [4096, 4096, 10]))


A_LRN = "64 L M 128 M 256 256 M 512 512 M 512 512 M"
C = "64 64 M 128 128 M 256 256 256p M 512 512 512p M 512 512 512p M"
D = "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"
D_ODD = ("64v 64 Mp 128v 128 Mp 256v 256 256 Mp 512v 512 512 Mp "
         "512v 512 512 Mp")
E = ("64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M "
     "512 512 512 512 M")
SMALL = [4096, 4096, 10]
IMAGENET = [4096, 4096, 1000]
NETWORKS = {name: (224, torchvision_vgg(name))
            for name in ("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16",
                         "vgg16_bn", "vgg19", "vgg19_bn")}
NETWORKS.update({
    "vgg11_lrn": (224, lambda: network(A_LRN, 25088, IMAGENET)),
    "vgg16c": (224, lambda: network(C, 25088, IMAGENET)),
    "vgg16c_bn": (224, lambda: network(C, 25088, IMAGENET, "before")),
    "vgg16_oddpad": (224, lambda: network(D_ODD, 25088, IMAGENET,
                                          end=[nn.LogSoftmax(1)])),
    "vgg16_stl10": (96, lambda: network(D, 512 * 9, SMALL)),
    "minivgg_cifar10": (32, lambda: network(
        "32 32 M 64 64 M", 4096, [512, 10], "behind", [nn.Softmax(1)])),
    "minivgg_cifar10_wide": (32, lambda: network(
        "64 64 M 64 64 M", 4096, [256, 10], "behind", [nn.Softmax(1)])),
    # The same for small images and 10 classes, for slow machines.
    "vgg11_bn_32": (32, small_bn),
    "vgg11_lrn_32": (32, lambda: network(A_LRN, 512, SMALL)),
    "vgg16c_32": (32, lambda: network(C, 512, SMALL)),
    "vgg16c_bn_32": (32, lambda: network(C, 512, SMALL, "before")),
    "vgg16_oddpad_64": (64, lambda: network(D_ODD, 512 * 4, SMALL,
                                            end=[nn.LogSoftmax(1)])),
    "vgg19_32": (32, lambda: network(E, 512, SMALL)),
})


def read_digests(path):
    if not path.exists():
        return {}
    return dict(line.split() for line in path.read_text().splitlines())


def main(names):
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "digests.txt"
    digests = read_digests(path)
    for name in names or sorted(NETWORKS):
        side, make = NETWORKS[name]
        net = make().eval()
        digests[name] = f"{seed_weights(net):016x}"
        x = tensor(INPUT_TENSOR, (1, 3, side, side), around_zero(2.0))
        with torch.no_grad():
            y = net(torch.from_numpy(x)).numpy()
        np.save(OUT / f"{name}.npy", y)
        path.write_text("".join(f"{key} {digests[key]}\n"
                                for key in sorted(digests)))
        print(name, digests[name], "largest", float(np.abs(y).max()),
              flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
