# SPDX-License-Identifier: MIT
"""Trains a VGG as its tutorial does and writes it as ONNX; see README.md."""
import argparse
import os
import sys

import torch

import engine
import files
from data import Bad
from recipes import FORMS, RECIPES, warm_cosine

IMAGENET_CLASSES = 1000


def parse(arguments):
    p = argparse.ArgumentParser(description=__doc__, prog="train")
    p.add_argument("recipe", choices=RECIPES, metavar="RECIPE",
                   help="; ".join(f"{n}: {r.about}" for n, r in RECIPES.items()))
    p.add_argument("--data", required=True, metavar="FOLDER", help="; ".join(
        f.about for f in FORMS.values()))
    p.add_argument("--out", required=True, metavar="FOLDER",
                   help="for checkpoint, model, labels and curves")
    p.add_argument("--input", type=int, metavar="N",
                   help="side of the pictures, for folders of images (224)")
    p.add_argument("--width", type=int, default=1, metavar="N",
                   help="divide the width of each layer by N: 1, 2, 4, 8 or 16")
    p.add_argument("--augment", choices=("none", "flip", "crop"),
                   help="for folders of images: what is changed at random; crop: the "
                   "part that is seen, and flip")
    p.add_argument("--adam", action="store_true", help="in place of the recipe's "
                   "optimiser: Adam, at a rate that falls by half a cosine; narrow "
                   "networks learn sooner")
    p.add_argument("--rate", type=float, help="the highest learning rate")
    p.add_argument("--batch", type=int, help="pictures in a step")
    engine.add_options(p)
    o = p.parse_args(arguments)
    r = RECIPES[o.recipe]
    o.input = o.input or r.size
    if o.augment and r.form != "folder":
        p.error(f"--augment: the pictures of {FORMS[r.form].about} are taken as they are")
    r = r._replace(augment=o.augment or r.augment,
                   optimiser=torch.optim.Adam if o.adam else r.optimiser,
                   rate=warm_cosine if o.adam else r.rate)
    for name in ("batch", "epochs"):
        setattr(o, name, getattr(r, name) if getattr(o, name) is None else
                getattr(o, name))
        if getattr(o, name) < 1:
            p.error(f"--{name} must be at least 1")
    o.rate = r.lr if o.rate is None else o.rate
    if o.width not in (1, 2, 4, 8, 16):
        p.error("--width must be 1, 2, 4, 8 or 16")
    if o.input != r.size and r.form != "folder":
        p.error(f"--input: {FORMS[r.form].about} has pictures of {r.size}x{r.size}")
    if not 32 <= o.input <= 1024:
        p.error("--input must be 32 to 1024")
    if not o.rate > 0:
        p.error("--rate must be above 0")
    return o, r


def open_data(o, r):
    """(training, validation), which go together."""
    form = FORMS[r.form]
    parts = ("train", "val" if r.form == "folder" else "test")
    both = [form.open(o.data, part, r, o.input, o.threads) for part in parts]
    if both[0].classes != both[1].classes:
        raise Bad(o.data, f"{parts[0]} and {parts[1]} have other classes",
                  "let each have the same subfolders")
    if len(both[0].classes) < 2:
        raise Bad(o.data, "there is but one class", "add others")
    if len(both[0].labels) < o.batch:
        raise Bad(o.data, f"{len(both[0].labels)} pictures are not one batch of "
                  f"{o.batch}", "take more, or a smaller --batch")
    return both


def training(o, r):
    learn, validation = open_data(o, r)
    t = engine.Training()
    classes = len(learn.classes)

    def make():
        net = r.network(o.input, classes, o.width)
        r.initialise(net, o.width)
        return net

    t.make = make
    t.rate = lambda step, steps: r.rate(o.rate, step, steps, o.epochs)
    t.optimiser = lambda parameters: r.optimiser(parameters, o.rate)
    t.source, t.validation = lambda epoch: learn, validation
    t.preprocess = engine.Preprocess(r.mean, r.std)
    t.batch = o.batch
    t.plan = {"recipe": o.recipe, "seed": o.seed, "batch": o.batch, "rate": o.rate,
              "adam": o.adam, "width": o.width, "input": o.input,
              "augment": r.augment, "classes": classes,
              "pictures": len(learn.labels)}
    engine.take_options(t, o)
    return t, learn


def differences(o, r, counts):
    """Why the figures can't be compared with those that are reported."""
    real = FORMS[r.form].counts
    if real and counts != real:
        yield (f"{counts[0]} and {counts[1]} pictures, of {FORMS[r.form].about}'s "
               f"{real[0]} and {real[1]}")
    if not real and r.figures and o.classes != IMAGENET_CLASSES:
        yield f"{o.classes} classes, not ImageNet's {IMAGENET_CLASSES}"
    if o.width > 1:
        yield f"layers are {o.width} times narrower"
    changed = [f"--{name}" for name, own in
               (("input", r.size), ("batch", r.batch), ("epochs", r.epochs),
                ("rate", r.lr), ("augment", RECIPES[o.recipe].augment))
               if getattr(o, name) not in (own, None)]
    changed += ["--adam"] * o.adam
    if changed:
        yield f"{', '.join(changed)}: not the recipe's own"


def report(o, r, t):
    """What was reached beside what the tutorial reports, and on what data."""
    last = t.history[-1]
    print(f"reached after {len(t.history)} epochs: training {last['accuracy']:.2%}, "
          f"validation {last['validation_accuracy']:.2%}")
    for what, percent in r.figures:
        print(f"reported: {what} {percent:.2f} %")
    if not r.figures:
        print("reported: no figure is known")
    for why in o.different:
        print(f"not comparable: {why}")
    print(f"next: tools/train/compile {o.out} -o {o.recipe}.model")


def main(arguments):
    o, r = parse(arguments)
    engine.set_up(o.threads)
    try:
        t, learn = training(o, r)
        o.classes = len(learn.classes)
        o.different = list(differences(o, r, (len(learn.labels),
                                              len(t.validation.labels))))
        for why in o.different:
            print(f"note: not the recipe as it is: {why}")
        t.start(o.resume)
        files.describe(o.out, name=o.recipe, onnx=t.onnx, mean=r.mean, std=r.std,
                       resize=r.resize(o.input), classes=learn.classes,
                       calib=FORMS[r.form].calib.format(os.path.abspath(o.data)))
        t.run()
        report(o, r, t)
    except engine.Stopped as e:
        print(e)
        return 128 + t.signal if t.signal else 0
    except Bad as e:
        print(f"train: {e}", file=sys.stderr)
        return 1
    return 0
