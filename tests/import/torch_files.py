#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Files of torch.save(), imported by vggctl, against PyTorch itself.

Prints TAP. Small inputs keep the large networks' first dense layers small; one
of them has its full size.
"""
import os
import sys
import warnings
import zipfile

import torch
from torch import nn

from nets import MiniVGG, OddPadding, Tap, Torchvision, randomise
from engine import Training  # nets knows where it is

warnings.filterwarnings("ignore")
tap = Tap()


def saver(what, **options):
    return lambda path: torch.save(what, path, **options)


LEGACY = {"_use_new_zipfile_serialization": False}
FORMS = [("zip", {}), ("legacy", LEGACY)]

# The small networks, in both forms.
mini = randomise(MiniVGG(), 1)
wide = randomise(MiniVGG((64, 64, 64, 64), 256), 2)
foreign = randomise(MiniVGG(named=True), 3)
for form, options in FORMS:
    tap.agrees(f"mini-VGG, {form}", mini, 32, saver(mini.state_dict(), **options))
    tap.agrees(f"mini-VGG, 64 filters, {form}", wide, 32,
               saver(wide.state_dict(), **options))
    tap.agrees(f"mini-VGG, names of its own, {form}", foreign, 32,
               saver(foreign.state_dict(), **options))

# Checkpoints.
optimizer = torch.optim.SGD(mini.parameters(), lr=.1, momentum=.9)
checkpoint = {"epoch": 90, "best": torch.tensor(73.4), "lr": 1e-3, "name": "mini",
              "state_dict": nn.DataParallel(mini).state_dict(),
              "optimizer": optimizer.state_dict()}
for form, options in FORMS:
    tap.agrees(f"a training's checkpoint, {form}", mini, 32,
               saver(checkpoint, **options))
    tap.agrees(f"parameters as such, {form}", mini, 32,
               saver({"model": mini.state_dict(keep_vars=True)}, **options))

# No tensor says BatchNorm's epsilon: the checkpoint of a training here does.
keras_like = randomise(MiniVGG(eps=1e-3), 8)


def trained(path):
    training = Training()
    training.net, training.plan = keras_like, {"recipe": "minivgg"}
    training.opt = torch.optim.SGD(keras_like.parameters(), lr=.1, momentum=.9)
    training.out = os.path.dirname(path)
    training.history.append({"loss": 2.3, "accuracy": .1})
    training.save()
    os.rename(training.path("checkpoint.pt"), path)


tap.agrees("the checkpoint of tools/train", keras_like, 32, trained, suffix=".pt")
tap.tells("a checkpoint's epsilon", trained,
          "conv, relu, bn; BatchNorm's epsilon 0.001 (as the file says)", suffix=".pt")
tap.agrees("an epsilon that is given", keras_like, 32, saver(keras_like.state_dict()),
           more=["--epsilon", "1e-3"])
tap.tells("PyTorch's epsilon is assumed", saver(mini.state_dict()),
          "conv, relu, bn; BatchNorm's epsilon 1e-05 (PyTorch's default)")
for form, options in FORMS:
    tap.refuses(f"another epsilon than the checkpoint's, {form}",
                saver({"net": mini.state_dict(), "batchnorm_epsilon": 1e-3}, **options),
                "an epsilon of 0.01, but the file says that it is 0.001",
                more=["--epsilon", "1e-2"])

# Views: tensors that don't lie row by row, and several in one storage.
state = mini.state_dict()
turned = {k: v.t().contiguous().t() if v.dim() == 2 else
          v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v
          for k, v in state.items()}
pool = torch.cat([v.reshape(-1) for v in state.values() if v.dtype == torch.float32])
shared, at = {}, 0
for k, v in state.items():
    if v.dtype == torch.float32:
        shared[k] = pool[at:at + v.numel()].view(v.shape)
        at += v.numel()
for form, options in FORMS:
    tap.agrees(f"strides, {form}", mini, 32, saver(turned, **options))
    tap.agrees(f"one storage for all, {form}", mini, 32, saver(shared, **options))

# Other precisions: what the rounded weights give.
for dtype in (torch.float16, torch.bfloat16, torch.float64):
    rounded = MiniVGG().eval()
    weights = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    rounded.load_state_dict(weights)
    for form, options in FORMS:
        tap.agrees(f"{dtype}, {form}", rounded, 32, saver(weights, **options))

# A zip archive, but not PyTorch's.
def keras_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in "metadata.json", "config.json", "model.weights.h5":
            archive.writestr(name, "{}")


tap.refuses("a whole model of Keras 3", keras_archive, "unzip FILE model.weights.h5")

# Every configuration, with the head of 32x32 pixels and ten classes.
for name, config, bn in [
        ("vgg11", "A", False), ("vgg11_bn", "A", True), ("vgg11_lrn", "A-LRN", False),
        ("vgg13", "B", False), ("vgg13_bn", "B", True), ("vgg16c", "C", False),
        ("vgg16c_bn", "C", True), ("vgg16", "D", False), ("vgg16_bn", "D", True),
        ("vgg19", "E", False), ("vgg19_bn", "E", True)]:
    net = randomise(Torchvision(config, bn, side=1, classes=10, hidden=4096), 4)
    options = LEGACY if bn else {}
    tap.agrees(name, net, 32, saver(net.state_dict(), **options), name)
stl10 = randomise(Torchvision("D", side=3, classes=10), 5)
tap.agrees("vgg16_stl10", stl10, 96, saver(stl10.state_dict()))
tap.refuses("an epsilon without BatchNorm", saver(stl10.state_dict()),
            "an epsilon for vgg16_stl10, which has no BatchNorm",
            more=["--epsilon", "1e-3"])
odd = randomise(OddPadding(side=1, classes=10), 6)
tap.agrees("odd padding, names of its own", odd, 48, saver(odd.state_dict()),
           "vgg16_oddpad")
tap.refuses("odd padding is not guessed", saver(odd.state_dict()),
            "the tensors fit several architectures: vgg16_stl10, vgg16_oddpad")
del stl10, odd, net

# One of full size, in the form of torchvision's own file.
vgg16 = randomise(Torchvision("D"), 7)
tap.agrees("vgg16, 224x224, 1000 classes", vgg16, 224,
           saver(vgg16.state_dict(), **LEGACY), tolerance=1e-4)
del vgg16


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


# What is no dictionary of tensors.
for form, options in FORMS:
    tap.refuses(f"a program, {form}", saver({"a": Evil()}, **options),
                "the file wants to call posix.system: refused")
    tap.refuses(f"a whole network, {form}", saver(mini, **options),
                "the file wants to call networks.MiniVGG: refused")
    tap.refuses(f"a wrong network, {form}", saver(mini.state_dict(), **options),
                'tensor "features.0.weight": expected [64, 3, 3, 3], found', "vgg16")
tap.refuses("another protocol", saver(state, pickle_protocol=4), "of protocol 4, not 2")
tap.refuses("a program of TorchScript",
            lambda path: torch.jit.save(torch.jit.trace(mini, torch.zeros(1, 3, 32, 32)),
                                        path), "a TorchScript program")
tap.refuses("an expanded tensor", saver({**state, "features.0.bias":
                                         torch.zeros(1).expand(32)}),
            'elements of tensor "features.0.bias" share their bytes')
def damaged(path):
    """One byte in the middle of the archive: of the dense layer's weights."""
    torch.save(mini.state_dict(), path)
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


tap.refuses("a changed byte", damaged, "has another checksum than its bytes")
few = {k: v for k, v in foreign.state_dict().items() if not k.startswith("head.4")}
tap.refuses("too few tensors", saver(few),
            'before the one for "classifier.4.weight": expected [10, 512]',
            "minivgg_cifar10")
sys.exit(tap.end())
