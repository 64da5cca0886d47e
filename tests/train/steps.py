#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every recipe of tools/train for a few steps, on drawn pictures.

Prints TAP. Of each: the loss is finite and all weights change; a training that was
interrupted within an epoch ends as one that wasn't, to the bit; vggctl imports what
was exported and gives PyTorch's outputs. Narrow networks and small pictures: the
layers are the same.
"""
import copy
import json
import math
import os
import subprocess
import sys
import tempfile

import torch

from drawn import checkpoint, cifar10, differences, pictures, stl10, trained
import cli
import files
from nets import Tap, VGGCTL, compare, randomise
from recipes import RECIPES

TOLERANCE = 1e-4
TESTS = 40
# Six steps in two epochs; interrupted in the second one.
SMALL = {"cifar10": ["--batch", 16, "--width", 4], "stl10": ["--batch", 8, "--width", 16],
         "folder": ["--batch", 8, "--width", 16, "--input", 48]}
SIDE = {"cifar10": 32, "stl10": 96, "folder": 48}
EPOCHS, INTERRUPTED_AFTER = 2, 4

tap = Tap()
folder = tempfile.TemporaryDirectory()
DATA = {"cifar10": cifar10(f"{folder.name}/cifar10", 24, TESTS),
        "stl10": stl10(f"{folder.name}/stl10", 24, TESTS),
        "folder": pictures(f"{folder.name}/folder", 24, TESTS)}


def arguments(name, out):
    form = RECIPES[name].form
    return [name, "--data", DATA[form], "--out", out, "--threads", 1, "--epochs", EPOCHS,
            *SMALL[form]]


def training(name, out):
    t, _ = cli.training(*cli.parse([*map(str, arguments(name, out))]))
    return t


def network(name, out):
    """With the weights the recipe starts with, and with those it ends with."""
    t = training(name, out)
    torch.manual_seed(t.seed)
    first, last = t.make(), t.make()
    last.load_state_dict(checkpoint(out)["net"])
    return first.eval(), last.eval()


def check_learning(name, out):
    first, last = network(name, out)
    history = checkpoint(out)["history"]
    assert len(history) == EPOCHS, history
    assert all(math.isfinite(v) for row in history for v in row.values()), history
    same = [n for (n, a), b in zip(first.named_parameters(), last.parameters())
            if a.dim() > 1 and torch.equal(a, b)]
    assert not same, f"not trained: {same}"


def check_resume(name, out):
    other = out + ".resumed"
    said = trained(*arguments(name, other), "--stop-after", INTERRUPTED_AFTER)
    assert "stopped in epoch 2 after 1 of 3 steps" in said, said
    left = checkpoint(other)
    assert differences(left["net"], checkpoint(out)["net"]), "it ran to the end"
    trained(*arguments(name, other), "--resume")
    wrong = differences(checkpoint(out), checkpoint(other))
    assert not wrong, f"other than without an interruption: {wrong[:5]}"


def answers(name, out, net):
    """Logits for the pictures that aren't trained with."""
    t = training(name, out)
    with torch.no_grad():
        return net.logits(t.preprocess(t.validation.take(slice(0, TESTS))))


def varied(name, out, net):
    """A copy with random weights, for which these pictures are of several classes:
    after six steps outputs hardly differ."""
    net = randomise(copy.deepcopy(net), 1)
    last = [m for m in net.modules() if isinstance(m, torch.nn.Linear)][-1]
    last.bias.data -= answers(name, out, net).mean(0)
    return net


def check_export(name, out):
    _, net = network(name, out)
    side, other = SIDE[RECIPES[name].form], varied(name, out, net)
    files.export(other, side, f"{out}/random.onnx")
    for net, path in (net, "model.onnx"), (other, "random.onnx"):
        error, same = compare(net, f"{out}/{path}", side)
        print(f"# {name}: largest difference / largest output = {error:.1e}")
        assert error <= TOLERANCE, error
        assert same, "the five largest outputs are others"
    return other


def check_preprocessing(name, out, net):
    """vggctl takes the files' pictures for what PyTorch does: it reads, scales and
    normalises as the training did."""
    form, labels = RECIPES[name].form, training(name, out).validation.labels
    os.replace(f"{out}/random.onnx", f"{out}/model.onnx")
    subprocess.run(["tools/train/compile", out, "-o", f"{out}.model", "--no-quantize"],
                   check=True, stdout=subprocess.DEVNULL)
    data = f"{DATA[form]}/val" if form == "folder" else f"{form}:{DATA[form]}"
    done = subprocess.run([VGGCTL, "--json", "--device", "cpu", "eval", "--model",
                           f"{out}.model", "--data", data], check=True,
                          stdout=subprocess.PIPE)
    got = torch.tensor(json.loads(done.stdout)["fp32"]["confusion"])
    taken = answers(name, out, net).argmax(1)
    want = torch.zeros_like(got)
    want.index_put_((labels, taken), torch.tensor(1), accumulate=True)
    others = int((got - want).abs().sum()) // 2
    print(f"# {name}: {others} of {TESTS} pictures are taken for others, of "
          f"{len(set(taken.tolist()))} classes")
    assert len(set(taken.tolist())) > 3, "this network can't show it"
    assert others <= 1, others


def recipe(name):
    def test(out):
        said = trained(*arguments(name, out))
        assert f"epoch {EPOCHS}/{EPOCHS}" in said, said
        for _, percent in RECIPES[name].figures:
            assert f"{percent:.2f} %" in said, said
        assert "not comparable" in said, said
        check_learning(name, out)
        check_resume(name, out)
        net = check_export(name, out)
        check_preprocessing(name, out, net)
        with open(f"{out}/curves.svg", encoding="ascii") as file:
            picture = file.read()
        assert picture.count("<polyline") == 4, picture
    tap.case(name, test)


os.environ["VGGCTL"] = VGGCTL
for name in RECIPES:
    recipe(name)
sys.exit(tap.end())
