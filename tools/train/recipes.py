# SPDX-License-Identifier: MIT
"""Recipes: a network, its data, and how it is trained.

What the tutorials say is kept; where they are silent, or differ between copies, a
comment says what was chosen. `figures` are what they report, as
(what, percent of right answers) on the real data.
"""
import math
from collections import namedtuple

import torch
from torch import nn

import data
import networks

Recipe = namedtuple("Recipe", "about network form size resize mean std optimiser rate "
                    "batch epochs initialise augment figures lr")
# Of a form of data: what --data names, how it is read, pictures of the real one,
# and what `vggctl import --calib` takes.
Form = namedtuple("Form", "about open counts calib")

FORMS = {
    "cifar10": Form("CIFAR-10, binary version",
                    lambda path, part, r, size, threads: data.cifar10(path, part),
                    (50000, 10000), "cifar10:{}"),
    "stl10": Form("STL-10, binary version",
                  lambda path, part, r, size, threads: data.stl10(path, part),
                  (5000, 8000), "stl10:{}"),
    "folder": Form("train/CLASS/*.jpg and val/CLASS/*.jpg",
                   lambda path, part, r, size, threads: data.Folder(
                       path, part, size, r.resize(size), r.augment, threads),
                   None, "{}/train"),
}

# Learning rates, of (highest rate, step, steps in all, epochs in all).


def constant(lr, _step, _steps, _epochs):
    return lr


def thirds(lr, step, steps, _epochs):
    """A tenth after each third: torchvision's 30 of 90 epochs."""
    return lr * .1 ** (3 * step // steps)


def keras_decay(lr, step, _steps, epochs):
    """Keras' decay of lr / epochs for each step."""
    return lr / (1 + lr / epochs * step)


def warm_cosine(lr, step, steps, _epochs, warm_up=200):
    """A linear start, then half a cosine down to nothing."""
    if step < warm_up:
        return lr * (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return lr * 0.5 * (1 + math.cos(math.pi * done))


# Fresh weights.


def weights_of(net):
    return [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def glorot(net, _divide):
    """As Keras does, and one of the odd padding's tutorials."""
    for m in weights_of(net):
        nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)


def torchvision(net, divide):
    """The dense layers' deviation is for the full width; narrower ones get as much
    more as keeps what they pass on of the same size."""
    for m in weights_of(net):
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        else:
            nn.init.normal_(m.weight, 0, .01 * divide ** .5)
        nn.init.zeros_(m.bias)


def he(net, _divide):
    for m in weights_of(net):
        nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        nn.init.zeros_(m.bias)


# The networks for ImageNet: as torchvision's reference training made its weights (SGD
# 0.01, a tenth after 30 and 60 of 90 epochs, batches of 256, weight decay 1e-4, random
# parts and flips). Figures: torchvision's table of weights; for A-LRN and C the VGG
# paper's table 3 (a single scale, shorter side 256), which gives error rates.

IMAGENET_MEAN, IMAGENET_STD = (.485, .456, .406), (.229, .224, .225)


def imagenet(config, top1, bn=False, source="torchvision"):
    named = f"configuration {config}" + " with BatchNorm" * bn
    return Recipe(
        f"VGG, {named}",
        lambda size, classes, divide: networks.Torchvision(
            config, bn, networks.Torchvision.side(size), classes, divide=divide),
        "folder", 224, lambda size: (size * 8 + 3) // 7, IMAGENET_MEAN, IMAGENET_STD,
        lambda p, lr: torch.optim.SGD(p, lr, momentum=.9, weight_decay=1e-4),
        thirds, 256, 90, torchvision, "crop",
        [(f"validation on ImageNet, by {source}", top1)] if top1 else [], .01)


# Kept apart from each other by their widths and the last dropout only. The network is
# that of Rosebrock's book (Deep Learning for Computer Vision with Python), which
# trains with SGD 0.01, Nesterov momentum 0.9, a decay of rate / epochs, batches of 64
# and bytes / 255, without augmentation; so do these. The figures are of tutorials that
# took it up, after 10 and 20 epochs. BatchNorm as Keras has it.


def mini(about, epochs, figures, **how):
    return Recipe(
        about,
        lambda size, classes, divide: networks.MiniVGG(
            eps=1e-3, momentum=.01, classes=classes, divide=divide,
            side=networks.MiniVGG.side(size), **how),
        "cifar10", 32, lambda size: size, (0.0,) * 3, (1.0,) * 3,
        lambda p, lr: torch.optim.SGD(p, lr, momentum=.9, nesterov=True),
        keras_decay, 64, epochs, glorot, None, figures, .01)


RECIPES = {
    "vgg11": imagenet("A", 69.020),
    "vgg11_bn": imagenet("A", 70.370, True),
    "vgg11_lrn": imagenet("A-LRN", 70.3, source="the VGG paper"),
    "vgg13": imagenet("B", 69.928),
    "vgg13_bn": imagenet("B", 71.586, True),
    "vgg16c": imagenet("C", 71.9, source="the VGG paper"),
    "vgg16c_bn": imagenet("C", None, True),
    "vgg16": imagenet("D", 71.592),
    "vgg16_bn": imagenet("D", 73.360, True),
    "vgg19": imagenet("E", 72.376),
    "vgg19_bn": imagenet("E", 74.218, True),
    # Copied from tutorial to tutorial, with optimisers and data (two folders of cats
    # and dogs) that differ. This is one of them: SGD 0.002, momentum 0.9, batches of
    # 24, 50 epochs, Glorot's weights, flips; ImageNet's mean and deviation. It squeezes
    # pictures to 224x224; here the centre is cut out, as everywhere else. No copy that
    # was found states an accuracy.
    "vgg16_oddpad": Recipe(
        "VGG16, first convolutions unpadded, pools padded",
        lambda size, classes, divide: networks.OddPadding(
            networks.OddPadding.side(size), classes, divide),
        "folder", 224, lambda size: size, IMAGENET_MEAN, IMAGENET_STD,
        lambda p, lr: torch.optim.SGD(p, lr, momentum=.9),
        constant, 24, 50, glorot, "flip", [], .002),
    # A beginners' tutorial's network; it states no accuracy, and its optimiser isn't
    # known here. Adam 1e-4, batches of 32, 50 epochs and He's weights are ours; -1..1
    # is what such tutorials have.
    "vgg16_stl10": Recipe(
        "VGG16 for STL-10",
        lambda size, classes, divide: networks.Torchvision(
            "D", side=networks.Torchvision.side(size), classes=classes, divide=divide),
        "stl10", 96, lambda size: size, (.5,) * 3, (.5,) * 3,
        torch.optim.Adam, constant, 32, 50, he, None, [], 1e-4),
    "minivgg": mini("mini-VGG", 10,
                    [("training after 10 epochs", 79.46),
                     ("validation after 10 epochs", 78.98)]),
    "minivgg_wide": mini("mini-VGG, 64 filters throughout", 20,
                         [("training after 20 epochs", 88.45),
                          ("validation after 20 epochs", 81.99)],
                         widths=(64,) * 4, hidden=256, last_dropout=.4),
}
