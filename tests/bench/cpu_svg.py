# SPDX-License-Identifier: MIT
"""The chart of tests/bench/cpu: plain SVG, one panel per half and the
yardsticks. Times grow to the right; this library's bars are the coloured ones."""
import os
import sys

import cpu_report

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../tools"))
from svg import (BLUE, FAINT, GREY, INK, LIGHT_BLUE, LIGHT_GREY, MARGIN,  # noqa: E402
                 Canvas, step)

WIDTH, LEFT, RIGHT = 960, 290, 150
BAR, GAP, LINE = 13, 10, 20
PLOT = WIDTH - LEFT - RIGHT

OURS, OURS_LIGHT = BLUE, LIGHT_BLUE
PEER, PEER_LIGHT = GREY, LIGHT_GREY
VERDICT = {cpu_report.OK: "#1a7f37", cpu_report.MISS: "#c62828",
           cpu_report.OPEN: FAINT}


def axis(c, most, height):
    """Vertical rules at round milliseconds, with `height` to go."""
    every = step(most)
    n = 0
    while n * every <= most * 1.02:
        x = LEFT + n * every / most * PLOT
        c.line(x, c.y, x, c.y + height)
        c.text(x, c.y + height + 14, f"{n * every:g}", 11, FAINT, "middle")
        n += 1
    c.text(LEFT + PLOT + 26, c.y + height + 14, "ms", 11, FAINT)


def native(c, result):
    c.title("Native: VGG16 224x224, batch 1, smallest time",
            f"{result['cpu']}, {result['rounds']} interleaved rounds")
    c.key((OURS, "one thread"), (OURS_LIGHT, "two threads"), (PEER, "peer, one"),
          (PEER_LIGHT, "two"))
    for precision in ("int8", "fp32"):
        rows = [e for e in result["engines"] if e["precision"] == precision
                and "threads" in e]
        us = cpu_report.fastest(result, "vggaccel", precision, 1)[1]
        most = max(t["min_ms"] for e in rows for t in e["threads"].values())
        height = len(rows) * (2 * BAR + GAP)
        axis(c, most, height)
        for e in rows:
            mine = e["who"] == "vggaccel"
            times = [e["threads"][t]["min_ms"] for t in ("1", "2")]
            c.text(LEFT - 8, c.y + BAR + 4, e["engine"], 13, OURS if mine else INK,
                   "end", "bold" if mine else "normal")
            colors = (OURS, OURS_LIGHT) if mine else (PEER, PEER_LIGHT)
            for i, (ms, color) in enumerate(zip(times, colors)):
                c.box(LEFT, c.y + i * BAR, ms / most * PLOT, BAR - 1, color)
                note = f"{ms:.1f}"
                if not i and not mine:
                    note += f" (ours / it: {us / ms:.2f})"
                c.text(LEFT + ms / most * PLOT + 5, c.y + i * BAR + 11, note, 11)
            c.y += 2 * BAR + GAP
        c.y += 34


def arm(c, result):
    c.title("arm64: one VGG16 inference on 2x Cortex-A72 (RK3399), by the model",
            "busiest pipe / 3.6 GHz + DRAM bytes / 10.4 GB/s; counted under emulation")
    c.key((OURS, "arithmetic"), (OURS_LIGHT, "DRAM"), (PEER, "ncnn: arithmetic"),
          (PEER_LIGHT, "DRAM"))
    rows = []
    for precision, goal in (("int8", 345), ("fp32", 340)):
        rows += [(f"ncnn {precision}", result["ncnn"][precision], None),
                 (f"vggaccel {precision}", result[precision], goal)]
    part = [(f["pipe_cycles"] / 3.6e6, f["dram_bytes"] / 10.4e6) for _, f, _ in rows]
    most = max(a + b for a, b in part)
    axis(c, most, len(rows) * (2 * BAR + GAP))
    for (name, f, goal), (compute, dram) in zip(rows, part):
        mine = goal is not None
        colors = (OURS, OURS_LIGHT) if mine else (PEER, PEER_LIGHT)
        c.text(LEFT - 8, c.y + BAR + 4, name, 13, OURS if mine else INK, "end",
               "bold" if mine else "normal")
        c.box(LEFT, c.y, compute / most * PLOT, BAR - 1, colors[0])
        c.box(LEFT + compute / most * PLOT, c.y, dram / most * PLOT, BAR - 1, colors[1])
        end = compute + dram
        if mine and end < goal < end + most / 16:
            end = goal	# the label behind the goal's rule, not across it
        c.text(LEFT + end / most * PLOT + 5, c.y + 11, f"{compute + dram:.0f}", 11)
        c.text(LEFT + 4, c.y + 2 * BAR - 1,
               f"{f['instructions'] / 1e9:.2f} G instructions, "
               f"{f['pipe_cycles'] / 1e9:.2f} Gcycle, {f['dram_bytes'] / 1e6:.0f} MB",
               11, FAINT)
        if mine:
            x = LEFT + goal / most * PLOT
            c.line(x, c.y - 4, x, c.y + 2 * BAR, VERDICT[cpu_report.OK], "4 2")
            c.text(x + 4, c.y + 2 * BAR - 1, f"goal {goal}", 11,
                   VERDICT[cpu_report.OK])
        c.y += 2 * BAR + GAP
    c.y += 34
    if result["loops"]:
        c.title("Hot loops: share of one multiplication a cycle, by llvm-mca",
                "light: fully connected layers, which wait for DRAM")
        loops(c, result["loops"])


def loops(c, rows):
    for r in rows[:12]:
        share = min(r["of_peak"], 1)
        c.text(LEFT - 8, c.y + 11, r["function"][:40], 12, INK, "end")
        c.box(LEFT, c.y, PLOT, BAR - 1, "#eeeeee")
        c.box(LEFT, c.y, share * PLOT, BAR - 1,
              OURS_LIGHT if r["dram_bound"] else OURS)
        c.text(LEFT + PLOT + 5, c.y + 11, f"{r['of_peak']:.1%}, {r['network'].split()[-1]}, "
               f"{r['cpu'].split('-')[-1].upper()}", 11)
        c.y += LINE
    x = LEFT + .98 * PLOT
    c.line(x, c.y - LINE * min(len(rows), 12) - 2, x, c.y, VERDICT[cpu_report.OK], "4 2")
    c.y += 12


def yardsticks(c, rows):
    c.title("Yardsticks")
    columns = (530, 620, 850, 920)
    for x, head in zip(columns, ("peer", "ours", "goal", "")):
        c.text(x, c.y, head, 12, FAINT, "end")
    c.y += LINE - 4
    for r in rows:
        c.text(MARGIN, c.y, r["name"], 13)
        unit = f" {r['unit']}" if r["unit"] else ""
        values = [cpu_report.number(r[k]) + (unit if r[k] is not None else "")
                  for k in ("peer", "ours")] + [r["goal"]]
        for x, v in zip(columns, values):
            c.text(x, c.y, v, 13, INK, "end")
        c.text(columns[3], c.y, r["verdict"], 13, VERDICT[r["verdict"]], "end", "bold")
        c.y += LINE


def chart(result):
    c = Canvas(WIDTH, LEFT)
    if result.get("native"):
        native(c, result["native"])
    if result.get("arm64"):
        arm(c, result["arm64"])
    yardsticks(c, result["yardsticks"])
    return c.svg()
