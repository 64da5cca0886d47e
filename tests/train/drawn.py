# SPDX-License-Identifier: MIT
"""Drawn pictures in the files of each data set, and the programs of tools/train."""
import contextlib
import io
import os
import subprocess
import sys

HERE = os.path.dirname(__file__)
sys.path[:0] = [os.path.join(HERE, "../import"), os.path.join(HERE, "../../tools/train")]
import torch  # noqa: E402

import cli  # noqa: E402
import engine  # noqa: E402

DRAW = "build/shapes-draw"


def draw(*arguments):
    subprocess.run([DRAW, *map(str, arguments)], check=True)


def names(path):
    with open(path, "wb") as file:
        subprocess.run([DRAW, "--classes"], check=True, stdout=file)


def cifar10(folder, per_file, tests, files=2):
    os.makedirs(folder)
    for i in range(1, files + 1):
        draw("--seed", 100 + i, "--count", per_file, "--cifar",
             f"{folder}/data_batch_{i}.bin")
    draw("--seed", 7, "--count", tests, "--cifar", f"{folder}/test_batch.bin")
    names(f"{folder}/batches.meta.txt")
    return folder


def stl10(folder, count, tests):
    os.makedirs(folder)
    draw("--seed", 101, "--count", count, "--stl", f"{folder}/train")
    draw("--seed", 7, "--count", tests, "--stl", f"{folder}/test")
    names(f"{folder}/class_names.txt")
    return folder


def pictures(folder, count, tests, size="72x60"):
    os.makedirs(folder)
    for part, seed, n in ("train", 101, count), ("val", 7, tests):
        draw("--seed", seed, "--count", n, "--size", size, "--by-class", "--jpeg",
             f"{folder}/{part}")
    return folder


def train(*arguments):
    """(exit status, stdout, stderr) of tools/train/train, in this process: loading
    PyTorch takes longer than a few steps."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main([*map(str, arguments)])
        except SystemExit as e:  # argparse's
            status = e.code
    return status, out.getvalue(), err.getvalue()


def trained(*arguments):
    status, out, err = train(*arguments)
    assert status == 0, err
    return out


def checkpoint(out):
    return torch.load(os.path.join(out, engine.CHECKPOINT))


def differences(a, b, at=""):
    """Where two checkpoints aren't the same to the bit."""
    if isinstance(a, torch.Tensor):
        return [] if torch.equal(a, b) else [at]
    if isinstance(a, (dict, list)):
        keys = list(a) if isinstance(a, dict) else range(len(a))
        others = list(b) if isinstance(b, dict) else range(len(b))
        if list(keys) != list(others):
            return [at]
        return [d for k in keys for d in differences(a[k], b[k], f"{at}.{k}")]
    return [] if a == b else [at]
