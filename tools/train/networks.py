# SPDX-License-Identifier: MIT
"""The networks of the VGG paper and of the tutorials, in PyTorch.

The only definition of each: the recipes train them, tests/import imports them.
All have logits(x), which a loss wants, beside forward(x), which is what the
tutorial's network gives: logits, softmax or log_softmax. Dropout is where the
tutorials have it. `divide` makes each layer that many times narrower, for
machines on which the full width takes too long.
"""
import collections

import torch
from torch import nn
from torch.nn import functional

# As in the VGG paper's table 1; "1" behind a width: a 1x1 convolution.
CONFIGS = {
    "A": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "A-LRN": "64 L M 128 M 256 256 M 512 512 M 512 512 M",
    "B": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "C": "64 64 M 128 128 M 256 256 256:1 M 512 512 512:1 M 512 512 512:1 M",
    "D": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "E": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M "
         "512 512 512 512 M",
}

# What the paper takes from Krizhevsky; its alpha multiplies a sum, PyTorch's and
# ONNX's a mean of five.
LRN = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}


class LrnNode(torch.autograd.Function):
    """Exports as one node; left to itself PyTorch writes a branch of a dozen."""
    @staticmethod
    def forward(_, x):
        return functional.local_response_norm(x, **LRN)

    @staticmethod
    def symbolic(g, x):
        return g.op("LRN", x, size_i=LRN["size"], alpha_f=LRN["alpha"],
                    beta_f=LRN["beta"], bias_f=LRN["k"])


class Lrn(nn.Module):
    def forward(self, x):
        if torch.onnx.is_in_onnx_export():
            return LrnNode.apply(x)
        return functional.local_response_norm(x, **LRN)


def features(config, bn=False, divide=1):
    layers, channels = [], 3
    for word in config.split():
        if word == "M":
            layers.append(nn.MaxPool2d(2))
        elif word == "L":
            layers.append(Lrn())
        else:
            width, _, kernel = word.partition(":")
            width, kernel = int(width) // divide, int(kernel or 3)
            layers.append(nn.Conv2d(channels, width, kernel, padding=kernel // 2))
            channels = width
            layers += [nn.BatchNorm2d(channels)] * bn + [nn.ReLU()]
    return nn.Sequential(*layers)


class Torchvision(nn.Module):
    """Modules and names as torchvision's vgg.py has them."""
    output = "logits"

    def __init__(self, config, bn=False, side=7, classes=1000, hidden=4096, divide=1):
        super().__init__()
        hidden //= divide
        self.features = features(CONFIGS[config], bn, divide)
        self.classifier = nn.Sequential(
            nn.Linear(512 // divide * side * side, hidden), nn.ReLU(), nn.Dropout(),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(),
            nn.Linear(hidden, classes))

    @staticmethod
    def side(size):
        """Of what the features leave of an input of this size."""
        return size // 32

    def logits(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))

    forward = logits


class OddPadding(nn.Module):
    """A tutorial's VGG16: modules of its own names, first convolutions without
    padding, pools with, no dropout."""
    output = "log_probabilities"
    BLOCKS = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]

    def __init__(self, side=7, classes=1000, divide=1):
        super().__init__()
        channels = 3
        for b, (width, depth) in enumerate(self.BLOCKS, 1):
            for c in range(1, depth + 1):
                setattr(self, f"conv{b}_{c}", nn.Conv2d(channels, width // divide, 3,
                                                        padding=int(c > 1)))
                channels = width // divide
        self.fc1 = nn.Linear(channels * side * side, 4096 // divide)
        self.fc2 = nn.Linear(4096 // divide, 4096 // divide)
        self.fc3 = nn.Linear(4096 // divide, classes)

    @classmethod
    def side(cls, size):
        for _ in cls.BLOCKS:
            size = size // 2 if size > 2 else 0  # less 2, plus 2, halved
        return size

    def logits(self, x):
        for b, (_, depth) in enumerate(self.BLOCKS, 1):
            for c in range(1, depth + 1):
                x = torch.relu(getattr(self, f"conv{b}_{c}")(x))
            x = functional.max_pool2d(x, 2, padding=1)
        x = torch.flatten(x, 1)
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))

    def forward(self, x):
        return torch.log_softmax(self.logits(x), 1)


class MiniVGG(nn.Module):
    """mini-VGG, BatchNorm behind the ReLU; names of its own, or torchvision's."""
    output = "probabilities"

    def __init__(self, widths=(32, 32, 64, 64), hidden=512, named=False, eps=1e-5,
                 momentum=0.1, last_dropout=.5, classes=10, divide=1, side=8):
        super().__init__()
        norm = {"eps": eps, "momentum": momentum}
        hidden //= divide
        layers, channels = [], 3
        for i, width in enumerate(widths):
            width //= divide
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(),
                       nn.BatchNorm2d(width, **norm)]
            channels = width
            if i % 2:
                layers += [nn.MaxPool2d(2), nn.Dropout(.25)]
        head = [nn.Linear(channels * side * side, hidden), nn.ReLU(),
                nn.BatchNorm1d(hidden, **norm), nn.Dropout(last_dropout),
                nn.Linear(hidden, classes)]
        if named:
            self.body, self.head = nn.ModuleList(layers), nn.ModuleList(head)
        else:
            self.features = nn.Sequential(*layers)
            self.classifier = nn.Sequential(*head)
        self.named = named

    @staticmethod
    def side(size):
        return size // 4

    def logits(self, x):
        for layer in self.body if self.named else self.features:
            x = layer(x)
        x = torch.flatten(x, 1)
        for layer in self.head if self.named else self.classifier:
            x = layer(x)
        return x

    def forward(self, x):
        return torch.softmax(self.logits(x), 1)


class Shapes(nn.Sequential):
    """The built-in network: three blocks, names that its file keeps."""
    output = "probabilities"

    def __init__(self, classes=10, side=4):
        layers = collections.OrderedDict()
        channels = 3
        for block, filters in enumerate((32, 64, 128), 1):
            for number in (1, 2):
                name = f"{block}_{number}"
                layers[f"conv{name}"] = nn.Conv2d(channels, filters, 3, padding=1)
                layers[f"relu{name}"] = nn.ReLU()
                layers[f"norm{name}"] = nn.BatchNorm2d(filters)
                channels = filters
            layers[f"pool{block}"] = nn.MaxPool2d(2)
            layers[f"drop{block}"] = nn.Dropout(0.25)
        layers["flatten"] = nn.Flatten()
        layers["dense1"] = nn.Linear(channels * side ** 2, 64)
        layers["relu4"] = nn.ReLU()
        layers["norm4"] = nn.BatchNorm1d(64)
        layers["drop4"] = nn.Dropout(0.5)
        layers["dense2"] = nn.Linear(64, classes)
        layers["softmax"] = nn.Softmax(1)
        super().__init__(layers)

    @staticmethod
    def side(size):
        return size // 8

    def logits(self, x):
        for name, layer in self.named_children():
            if name != "softmax":
                x = layer(x)
        return x
