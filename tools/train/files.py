# SPDX-License-Identifier: MIT
"""What a training leaves for vggctl: the network as ONNX, its classes' names, and
in model.json how pictures are preprocessed, which tools/train/compile reads."""
import json
import os
import warnings

import torch

from data import Bad

OPSET = 13


def export(net, side, path):
    """Batch 1; BatchNorms that follow no convolution stay nodes of their own."""
    partial = path + ".partial"
    with warnings.catch_warnings():
        # LRN's own node is written by what the next release spells otherwise.
        warnings.simplefilter("ignore", FutureWarning)
        torch.onnx.export(net, torch.zeros(1, 3, side, side), partial,
                          opset_version=OPSET, do_constant_folding=True,
                          training=torch.onnx.TrainingMode.EVAL,
                          input_names=["input"], output_names=[net.output])
    os.replace(partial, path)


def describe(out, **what):
    """name, onnx, mean, std, resize, calib; and the classes' names."""
    classes = what.pop("classes")
    with open(os.path.join(out, "labels.txt"), "w", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in classes)
    with open(os.path.join(out, "model.json"), "w", encoding="utf-8") as file:
        json.dump(what, file, indent=1)
        file.write("\n")


def import_arguments(out):
    """What makes `vggctl import` do what the training did."""
    path = os.path.join(out, "model.json")
    try:
        with open(path, encoding="utf-8") as file:
            what = json.load(file)
        onnx = os.path.join(out, what["onnx"])
        arguments = [onnx, "--name", what["name"],
                     "--labels", os.path.join(out, "labels.txt"),
                     "--resize", str(what["resize"]), "--interpolation", "bilinear",
                     "--mean", ",".join(map(str, what["mean"])),
                     "--std", ",".join(map(str, what["std"]))]
        calib = what["calib"]
    except FileNotFoundError as e:
        raise Bad(path, "there is no training here",
                  "name the folder that --out was given") from e
    except (ValueError, KeyError, TypeError) as e:
        raise Bad(path, f"not as a training writes it ({e!r})", "train again") from e
    if not os.path.exists(onnx):
        raise Bad(onnx, "the training hasn't ended an epoch yet",
                  "go on with --resume")
    return arguments, calib
