# SPDX-License-Identifier: MIT
"""Networks with random weights, and running their files by vggctl."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../tools/train"))
from networks import MiniVGG, OddPadding, Torchvision  # noqa: E402, F401

VGGCTL = "build/vggctl"
torch.set_num_threads(2)


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


def imported(path, arch=None, more=()):
    """vggctl's own words on importing the file."""
    model = path + ".model"
    call = [VGGCTL, "import", path, "-o", model, "--no-quantize", *more]
    return subprocess.run(call + (["--arch", arch] if arch else []),
                          capture_output=True, text=True)


def shown(path, arch=None):
    """The layers that vggctl show sees in a file of any kind."""
    call = [VGGCTL, "show", "--json", path] + (["--arch", arch] if arch else [])
    out = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    return json.loads(out)["model"]["layers"]


def compare(net, path, size, arch=None, more=()):
    """(largest difference / largest output, top 5 are the same)"""
    done = imported(path, arch, more)
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

    def agrees(self, name, net, size, save, arch=None, tolerance=1e-4, suffix="",
               more=()):
        """save(path) writes the file; it must give what the network gives."""
        def test(path):
            save(path + suffix)
            error, same = compare(net, path + suffix, size, arch, more)
            print(f"# {name}: largest difference / largest output = {error:.1e}")
            assert error <= tolerance, error
            assert same, "the five largest outputs are others"
        self.case(name, test)

    def refuses(self, name, save, words, arch=None, suffix="", more=()):
        def test(path):
            save(path + suffix)
            done = imported(path + suffix, arch, more)
            assert done.returncode == 1, done.returncode
            assert words in done.stderr, done.stderr
        self.case(name, test)

    def tells(self, name, save, words, arch=None, suffix="", more=()):
        """The summary has these words."""
        def test(path):
            save(path + suffix)
            done = imported(path + suffix, arch, more)
            assert done.returncode == 0, done.stderr
            assert words in done.stdout, done.stdout
        self.case(name, test)

    def end(self):
        print(f"1..{self.number}")
        return 1 if self.failed else 0
