# SPDX-License-Identifier: MIT
"""Networks of the tutorials in PyTorch, and running their files by vggctl."""
import json
import os
import subprocess
import tempfile

import numpy as np
import torch
from torch import nn

VGGCTL = "build/vggctl"
torch.set_num_threads(2)

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


def features(config, bn=False):
    layers, channels = [], 3
    for word in config.split():
        if word == "M":
            layers.append(nn.MaxPool2d(2))
        elif word == "L":
            layers.append(nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0))
        else:
            width, _, kernel = word.partition(":")
            kernel = int(kernel or 3)
            layers.append(nn.Conv2d(channels, int(width), kernel, padding=kernel // 2))
            channels = int(width)
            layers += [nn.BatchNorm2d(channels)] * bn + [nn.ReLU()]
    return nn.Sequential(*layers)


class Torchvision(nn.Module):
    """Modules and names as torchvision's vgg.py has them."""
    def __init__(self, config, bn=False, side=7, classes=1000, hidden=4096):
        super().__init__()
        self.features = features(CONFIGS[config], bn)
        self.classifier = nn.Sequential(
            nn.Linear(512 * side * side, hidden), nn.ReLU(), nn.Dropout(),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(),
            nn.Linear(hidden, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class OddPadding(nn.Module):
    """A tutorial's VGG16: modules of its own names, first convolutions without
    padding, pools with."""
    BLOCKS = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]

    def __init__(self, side=7, classes=1000):
        super().__init__()
        channels = 3
        for b, (width, depth) in enumerate(self.BLOCKS, 1):
            for c in range(1, depth + 1):
                setattr(self, f"conv{b}_{c}",
                        nn.Conv2d(channels, width, 3, padding=int(c > 1)))
                channels = width
        self.fc1 = nn.Linear(512 * side * side, 4096)
        self.fc2 = nn.Linear(4096, 4096)
        self.fc3 = nn.Linear(4096, classes)

    def forward(self, x):
        for b, (_, depth) in enumerate(self.BLOCKS, 1):
            for c in range(1, depth + 1):
                x = torch.relu(getattr(self, f"conv{b}_{c}")(x))
            x = nn.functional.max_pool2d(x, 2, padding=1)
        x = torch.flatten(x, 1)
        x = torch.relu(self.fc2(torch.relu(self.fc1(x))))
        return torch.log_softmax(self.fc3(x), 1)


class MiniVGG(nn.Module):
    """mini-VGG; names of its own, or torchvision's."""
    def __init__(self, widths=(32, 32, 64, 64), hidden=512, named=False, eps=1e-5):
        super().__init__()
        layers, channels = [], 3
        for i, width in enumerate(widths):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(),
                       nn.BatchNorm2d(width, eps=eps)]
            channels = width
            if i % 2:
                layers += [nn.MaxPool2d(2), nn.Dropout(.25)]
        head = [nn.Linear(channels * 64, hidden), nn.ReLU(),
                nn.BatchNorm1d(hidden, eps=eps), nn.Dropout(.5), nn.Linear(hidden, 10)]
        if named:
            self.body, self.head = nn.ModuleList(layers), nn.ModuleList(head)
        else:
            self.features = nn.Sequential(*layers)
            self.classifier = nn.Sequential(*head)
        self.named = named

    def forward(self, x):
        body = self.body if self.named else self.features
        head = self.head if self.named else self.classifier
        for layer in body:
            x = layer(x)
        x = torch.flatten(x, 1)
        for layer in head:
            x = layer(x)
        return torch.softmax(x, 1)


def randomise(net, seed):
    """He initialisation; statistics of BatchNorm that are no neutral ones."""
    g = torch.Generator().manual_seed(seed)
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            bound = (6 / m.weight[0].numel()) ** .5
            m.weight.data.uniform_(-bound, bound, generator=g)
            m.bias.data.uniform_(-.1, .1, generator=g)
        elif isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.weight.data.uniform_(.5, 1.5, generator=g)
            m.bias.data.uniform_(-.2, .2, generator=g)
            m.running_mean.uniform_(-.2, .2, generator=g)
            m.running_var.uniform_(.01, 1.5, generator=g)
    if isinstance(net, MiniVGG):  # a softmax that isn't all 0 and 1
        (net.head if net.named else net.classifier)[4].weight.data /= 20
    return net.eval()


def imported(path, arch=None):
    """vggctl's own words on importing the file."""
    model = path + ".model"
    call = [VGGCTL, "import", path, "-o", model, "--no-quantize"]
    return subprocess.run(call + (["--arch", arch] if arch else []),
                          capture_output=True, text=True)


def shown(path, arch=None):
    """The layers that vggctl show sees in a file of any kind."""
    call = [VGGCTL, "show", "--json", path] + (["--arch", arch] if arch else [])
    out = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    return json.loads(out)["model"]["layers"]


def compare(net, path, size, arch=None):
    """(largest difference / largest output, top 5 are the same)"""
    done = imported(path, arch)
    assert done.returncode == 0, done.stderr
    assert shown(path, arch) == shown(path + ".model"), "show sees other layers"
    x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = net(x).numpy()
    np.save(path + ".x.npy", x.numpy())
    subprocess.run([VGGCTL, "run", "--model", path + ".model", "--precision", "fp32",
                    "--input", path + ".x.npy", "--output", path + ".y.npy"],
                   check=True, stdout=subprocess.DEVNULL)
    got = np.load(path + ".y.npy")
    assert got.shape == want.shape, (got.shape, want.shape)
    top = [np.argsort(-y[0], kind="stable")[:5].tolist() for y in (got, want)]
    return float(np.abs(got - want).max() / np.abs(want).max()), top[0] == top[1]


class Tap:
    """Counts cases; each runs in a folder of its own."""
    def __init__(self):
        self.number = self.failed = 0

    def case(self, name, test):
        self.number += 1
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(os.path.join(folder, "net"))
                good = True
            except (AssertionError, subprocess.CalledProcessError) as e:
                print("# " + str(e).replace("\n", "\n# "))
                good = False
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.number} {name}", flush=True)

    def agrees(self, name, net, size, save, arch=None, tolerance=1e-4, suffix=""):
        """save(path) writes the file; it must give what the network gives."""
        def test(path):
            save(path + suffix)
            error, same = compare(net, path + suffix, size, arch)
            print(f"# {name}: largest difference / largest output = {error:.1e}")
            assert error <= tolerance, error
            assert same, "the five largest outputs are others"
        self.case(name, test)

    def refuses(self, name, save, words, arch=None, suffix=""):
        def test(path):
            save(path + suffix)
            done = imported(path + suffix, arch)
            assert done.returncode == 1, done.returncode
            assert words in done.stderr, done.stderr
        self.case(name, test)

    def end(self):
        print(f"1..{self.number}")
        return 1 if self.failed else 0
