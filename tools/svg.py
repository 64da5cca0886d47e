# SPDX-License-Identifier: MIT
"""Plain SVG pictures, written from top to bottom."""
from html import escape

INK, FAINT, RULE = "#222222", "#666666", "#dddddd"
BLUE, LIGHT_BLUE = "#1f6fb2", "#9cc3e2"
GREY, LIGHT_GREY = "#777777", "#bbbbbb"
MARGIN = 24


class Canvas:
    """Grows downwards: `y` is where the next thing goes."""

    def __init__(self, width, left=MARGIN):
        self.width, self.left = width, left  # left: of keys
        self.parts, self.y = [], MARGIN

    def text(self, x, y, words, size=13, color=INK, anchor="start", weight="normal"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" '
            f'text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>')

    def box(self, x, y, width, height, color):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, .5):.1f}" '
                          f'height="{height:.1f}" fill="{color}"/>')

    def line(self, x1, y1, x2, y2, color=RULE, dash=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" '
                          f'y2="{y2:.1f}" stroke="{color}" stroke-dasharray="{dash}"/>')

    def path(self, points, color):
        """A line through points; a dot where there is but one."""
        if len(points) == 1:
            x, y = points[0]
            self.box(x - 2, y - 2, 4, 4, color)
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{text}" fill="none" stroke="{color}" '
                          'stroke-width="1.5"/>')

    def title(self, words, under=""):
        self.y += 18
        self.text(MARGIN, self.y, words, 17, weight="bold")
        if under:
            self.y += 18
            self.text(MARGIN, self.y, under, 12, FAINT)
        self.y += 16

    def key(self, *entries):
        x = self.left
        for color, words in entries:
            self.box(x, self.y, 12, 12, color)
            self.text(x + 17, self.y + 11, words, 12, FAINT)
            x += 40 + 7 * len(words)
        self.y += 24

    def svg(self):
        height = self.y + MARGIN
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" '
            f'height="{height:.0f}" viewBox="0 0 {self.width} {height:.0f}" '
            'font-family="Helvetica, Arial, DejaVu Sans, sans-serif">',
            f'<rect width="{self.width}" height="{height:.0f}" fill="#ffffff"/>',
            *self.parts, "</svg>", ""])


def step(most, parts=8):
    """A round distance of rules so that there are few up to `most`."""
    size = 1.0
    while size > most / parts:
        size /= 10
    while True:
        for factor in (1, 2, 5):
            if most / (size * factor) <= parts:
                return size * factor
        size *= 10
