# SPDX-License-Identifier: MIT
"""Curves of a training: loss and accuracy by epoch, training and validation."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from svg import BLUE, FAINT, GREY, MARGIN, Canvas, step  # noqa: E402

WIDTH, LEFT, HEIGHT = 640, 70, 180
PLOT = WIDTH - LEFT - MARGIN
COLORS = {"": GREY, "validation_": BLUE}


def panel(c, history, what, most, number):
    """Values from 0 to `most`; epoch 1 is at the left."""
    scale = PLOT / max(1, len(history) - 1)
    rules = step(most, 5)
    for n in range(int(most / rules * 1.0001) + 1):
        y = c.y + HEIGHT * (1 - n * rules / most)
        c.line(LEFT, y, LEFT + PLOT, y)
        c.text(LEFT - 8, y + 4, number(n * rules), 11, FAINT, "end")
    for prefix, color in COLORS.items():
        c.path([(LEFT + i * scale, c.y + HEIGHT * (1 - row[prefix + what] / most))
                for i, row in enumerate(history)], color)
    c.y += HEIGHT + 16
    every = max(1, round(step(len(history), 10)))
    for i in range(0, len(history), every):
        c.text(LEFT + i * scale, c.y, str(i + 1), 11, FAINT, "middle")


def draw(history, name):
    c = Canvas(WIDTH, LEFT)
    last = history[-1]
    c.title(f"{name}: loss", f"cross-entropy by epoch, {len(history)} of them")
    c.key((GREY, "training, seen while learning"), (BLUE, "validation"))
    panel(c, history, "loss", max(row[p + "loss"] for row in history for p in COLORS) or 1,
          lambda v: f"{v:g}")
    c.y += MARGIN
    c.title(f"{name}: accuracy",
            f"in the end: training {last['accuracy']:.2%}, "
            f"validation {last['validation_accuracy']:.2%}")
    panel(c, history, "accuracy", 1, lambda v: f"{v:.0%}")
    return c.svg()
