# SPDX-License-Identifier: MIT
"""What tests/bench/cpu prints: tables, and yardsticks with goal and verdict."""
import cpu_arm

OK, MISS, OPEN = "ok", "MISS", "-"


def table(heads, rows):
    """Text columns; the first to the left, the others to the right."""
    rows = [[str(c) for c in r] for r in rows]
    widths = [max(len(r[i]) for r in [heads, *rows]) for i in range(len(heads))]
    for r in [heads, *rows]:
        print("  ".join([r[0].ljust(widths[0])] + [
            c.rjust(w) for c, w in zip(r[1:], widths[1:])]).rstrip())


def yardstick(name, peer, ours, goal, passed, unit=""):
    """passed: True, False, or None where no verdict is possible."""
    return {"name": name, "peer": peer, "ours": ours, "goal": goal, "unit": unit,
            "verdict": OPEN if passed is None else OK if passed else MISS}


def fastest(native, who, precision, threads):
    """(engine, its smallest time) among the variants of one engine."""
    rows = [(e["threads"][str(threads)]["min_ms"], e["engine"])
            for e in native["engines"] if "threads" in e
            and (e["who"], e["precision"]) == (who, precision)]
    return min(rows)[::-1] if rows else (None, None)


def native_yardsticks(native):
    rows = []
    vnni = "avx512_vnni" in native["cpu"]
    goals = {"int8": (1.0, 0.8), "fp32": (0.55, 0.5)}
    ours, scaling = {}, {}
    for precision, (goal, aim) in goals.items():
        for who in ("vggaccel", "ONNX Runtime"):
            times = [fastest(native, who, precision, t)[1] for t in (1, 2)]
            ours[who, precision] = times[0]
            scaling[who, precision] = times[0] / times[1] if times[0] else None
        us, peer = ours["vggaccel", precision], ours["ONNX Runtime", precision]
        rows.append(yardstick(
            f"{precision}, one thread: time / ONNX Runtime's", 1.0,
            us / peer if peer else None, f"<= {goal} (aim {aim})",
            us / peer <= goal if peer and vnni else None))
    for precision in goals:
        us, peer = scaling["vggaccel", precision], scaling["ONNX Runtime", precision]
        asked = peer and peer >= 1.8
        rows.append(yardstick(
            f"{precision}, two threads: one thread's time / two threads'", peer, us,
            ">= 1.8" if asked else ">= 1.8 where the peer's is",
            us >= 1.8 if asked else None))
    ratio = native["peak_bytes"] / native["int8_weight_bytes"]
    rows.append(yardstick("int8, peak memory / bytes of weights", None, ratio,
                          "<= 2.0", ratio <= 2))
    return rows


def arm_yardsticks(arm):
    goals = {"int8": (1.20e9, 450e6, 345), "fp32": (1.15e9, 900e6, 340)}
    rows = []
    for precision, (instructions, dram, ms) in goals.items():
        us, peer = arm[precision], arm["ncnn"][precision]
        peer_ms = cpu_arm.model_ms(peer["pipe_cycles"], peer["dram_bytes"], 2)
        for what, unit, scale, a, b, goal in (
                ("instructions", "G", 1e9, us["instructions"], peer["instructions"],
                 instructions),
                ("DRAM", "MB", 1e6, us["dram_bytes"], peer["dram_bytes"], dram),
                ("2x A72, by the model", "ms", 1, us["two_a72_ms"], peer_ms, ms)):
            rows.append(yardstick(f"arm64 {precision}: {what}", b / scale, a / scale,
                                  f"<= {goal / scale:g}", a <= goal, unit))
    per_mac = arm["fc"]["per_mac"]
    rows.append(yardstick("arm64 int8 fully connected: instructions per MAC",
                          cpu_arm.NCNN_FC_PER_MAC, per_mac, "<= 0.3", per_mac <= .3))
    for network in ("VGG16 int8", "VGG16 fp32"):
        hot = [l for l in arm["loops"] if l["network"] == network
               and l["cpu"] == "cortex-a72" and not l["dram_bound"]]
        worst = min((l["of_peak"] for l in hot), default=None)
        rows.append(yardstick(
            f"arm64 {network}: slowest hot loop, of one multiply a cycle",
            cpu_arm.NCNN_LOOP_SHARE * 100,
            worst * 100 if hot else None, ">= 98",
            worst >= .98 if hot else False, "%"))
    return rows


def number(x):
    if x is None:
        return "-"
    return f"{x:.0f}" if x >= 1000 else f"{x:.1f}" if x >= 100 else f"{x:.4g}"


def print_yardsticks(rows):
    print()
    table(["yardstick", "peer", "ours", "goal", "unit", ""],
          [[r["name"], number(r["peer"]), number(r["ours"]), r["goal"], r["unit"],
            r["verdict"]] for r in rows])
    verdicts = [r["verdict"] for r in rows]
    print(f"{verdicts.count(OK)} reached, {verdicts.count(MISS)} missed"
          + (f", {verdicts.count(OPEN)} without a verdict here"
             if OPEN in verdicts else ""))


def print_native(native):
    print(f"\nVGG16 224x224, batch 1, on {native['cpu']}, {native['cores']} cores: ms, "
          f"{native['rounds']} interleaved rounds")
    rows = []
    for e in native["engines"]:
        if "absent" in e:
            continue
        one, two = e["threads"]["1"], e["threads"]["2"]
        us = fastest(native, "vggaccel", e["precision"], 1)[1]
        rows.append([e["engine"], *(f"{t[k]:.1f}" for t in (one, two)
                                    for k in ("min_ms", "median_ms")),
                     f"{one['min_ms'] / two['min_ms']:.2f}",
                     f"{us / one['min_ms']:.2f}", e["version"]])
    table(["", "1 thread", "median", "2 threads", "median", "1 / 2", "ours / it",
           "version"], rows)
    for e in native["engines"]:
        if "absent" in e:
            print(f"absent: {e['engine']}: {e['absent']}")
    if native["load_before"] > .5:
        print(f"warning: others kept this machine busy (load "
              f"{native['load_before']:.1f}); these times and ratios say little")
    print(f"peak memory, int8: {native['peak_bytes'] / 1e6:.0f} MB, of which weights "
          f"{native['int8_weight_bytes'] / 1e6:.0f} MB")


def print_inferences(arm):
    print(f"\narm64, one VGG16 inference, one thread, counted ({arm['qemu']})")
    rows = []
    for precision in ("int8", "fp32"):
        for who, f in (("ncnn", arm["ncnn"][precision]), ("ours", arm[precision])):
            times = [cpu_arm.model_ms(f["pipe_cycles"], f["dram_bytes"], n)
                     for n in (1, 2)]
            rows.append([f"{who} {precision}", f"{f['instructions'] / 1e9:.3f}",
                         f"{f['instructions'] / cpu_arm.GMAC / 1e9:.4f}",
                         f"{f['pipe_cycles'] / 1e9:.3f}", f.get("busiest_pipe", ""),
                         f"{f['dram_bytes'] / 1e6:.0f}",
                         *(f"{t:.0f}" for t in times)])
    table(["", "instructions G", "per MAC", "busiest pipe Gcycle", "pipe", "DRAM MB",
           "1x A72 ms", "2x A72 ms"], rows)


def print_functions(arm):
    for precision in ("int8", "fp32"):
        print(f"\narm64 {precision}, by function")
        rows = [[f["name"], f"{f['instructions'] / 1e6:.1f}",
                 f"{f['pipe_cycles'] / 1e6:.1f}", f["busiest_pipe"],
                 f"{f['dram_read'] / 1e6:.1f}"] for f in arm[precision]["functions"]]
        table(["", "instructions M", "busiest pipe Mcycle", "pipe", "DRAM read MB"],
              rows)
        alone = sum(f["pipe_cycles"] for f in arm[precision]["functions"])
        print(f"one after the other, none overlapping: {alone / 1e9:.3f} Gcycle")


def print_loops(arm):
    print(f"\nhot loops ({cpu_arm.HOT:.0%} of a network's multiplications or more), "
          "by llvm-mca")
    rows = [[l["function"], l["network"], f"{l['of_multiplies']:.0%}", l["cpu"],
             l["instructions"], l["multiplies"], f"{l['cycles']:.1f}",
             f"{l['of_peak']:.1%}", "DRAM" if l["dram_bound"] else "arithmetic"]
            for l in arm["loops"]]
    table(["", "network", "of its multiplies", "core", "instructions", "multiplies",
           "cycles", "of one a cycle", "waits for"], rows)


def print_all(result):
    if result.get("native"):
        print_native(result["native"])
    if result.get("arm64"):
        print_inferences(result["arm64"])
        print_functions(result["arm64"])
        print_loops(result["arm64"])
    print_yardsticks(result["yardsticks"])
