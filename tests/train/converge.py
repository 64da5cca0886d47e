#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A mini-VGG trained to the end on drawn pictures in CIFAR-10's files, then in int8.

Prints TAP. Half the tutorial's width and Adam, so that it takes a minute or two.
"""
import json
import os
import subprocess
import sys
import tempfile

from drawn import checkpoint, cifar10, trained
from nets import VGGCTL

PICTURES, TESTS = 20000, 2000
RIGHT, DROP, COSINE = 97, .5, .995
RECIPE = ["minivgg", "--width", 2, "--adam", "--rate", 6e-3, "--batch", 64,
          "--epochs", 9, "--threads", 1]

number = 0


def check(good, name):
    global number
    number += 1
    print(f"{'ok' if good else 'not ok'} {number} {name}", flush=True)
    return bool(good)


def vggctl(*arguments):
    done = subprocess.run([VGGCTL, "--json", *arguments], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return json.loads(done.stdout)


def test(folder):
    data, out = cifar10(f"{folder}/data", PICTURES // 5, TESTS, 5), f"{folder}/out"
    said = trained(*RECIPE, "--data", data, "--out", out)
    print("# " + said.replace("\n", "\n# "))
    torch_right = 100 * checkpoint(out)["history"][-1]["validation_accuracy"]
    good = check(torch_right >= RIGHT, f"at least {RIGHT} % of the others are right")

    subprocess.run(["tools/train/compile", out, "-o", f"{out}/fp32.model",
                    "--no-quantize"], check=True, stdout=subprocess.DEVNULL)
    report = vggctl("quantize", f"{out}/fp32.model", "-o", f"{out}/int8.model",
                    "--calib", f"cifar10:{data}")["report"]
    r = vggctl("--device", "cpu", "eval", "--model", f"{out}/int8.model", "--data",
               f"cifar10:{data}")
    fp32, int8 = (100 * r[kind]["top1"] for kind in ("fp32", "int8"))
    print(f"# top-1 of {r['images']}: PyTorch {torch_right:.2f} %, fp32 {fp32:.2f} %, "
          f"int8 {int8:.2f} %; mean cosine of logits {report['cosine']:.6f}")
    good &= check(r["images"] == TESTS, "all were asked")
    # A near tie may go either way where sums are in another order.
    good &= check(abs(fp32 - torch_right) <= 100 / TESTS, "fp32 is right as often as PyTorch")
    good &= check(fp32 - int8 <= DROP, f"int8 loses at most {DROP} points")
    good &= check(report["cosine"] >= COSINE, f"mean cosine of logits >= {COSINE}")
    return good


os.environ["VGGCTL"] = VGGCTL
with tempfile.TemporaryDirectory() as folder:
    passed = test(folder)
print(f"1..{number}")
sys.exit(0 if passed else 1)
