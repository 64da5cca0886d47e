# SPDX-License-Identifier: MIT
"""The arm64 half of tests/bench/cpu: counted, not timed, so that it is the same
on every machine and, but for a few cache lines, every time.

qemu-aarch64 runs the library under two plugins (tests/bench/arm), one thread,
as a Cortex-A72. The first says how often each instruction is executed, the
second what the caches move to and from DRAM. Each inference that is reported
is the second of its process.

Busiest pipe. Each instruction uses pipes as in LLVM's model of A57 and A72
(what llvm-mca prints), which follows Arm's software optimisation guides: W
(the guides' F0) multiplies, X (F1) shifts, narrows and accumulates pairs, other
vector work takes either, floating point on four lanes both; two I for integer
work, one M, L for loads, S for stores, B for branches; three micro-ops a cycle
enter. The sum of an inference can't take fewer cycles than the pipe with most
work, what may go to either being dealt out evenly.

Time of an A72 of RK3399 (1.8 GHz; one core reads 7.3 GB/s, two 10.4 GB/s) is
that plus the time of DRAM's bytes. The sum gives the published times of ncnn on
that board, fp32 and int8, one core and two, within 7 %.
"""
import concurrent.futures
import os
import platform
import re
import subprocess

import cpu_elf
import cpu_files as files

GMAC = 15.470264320	# of VGG16 at 224x224
FC_MAC = 4096 * 4096

CASES = {"int8": "vgg16-int8", "fp32": "vgg16-fp32", "fc": "fc4096-int8"}
PLUGINS = ("mix", "cache")
QEMU = "qemu-aarch64"

# ncnn of 2024, the same network, counted by these plugins.
NCNN = {
    "int8": {"instructions": 1.348e9, "pipe_cycles": 1.01e9, "dram_bytes": 1908e6},
    "fp32": {"instructions": 1.317e9, "pipe_cycles": 1.02e9, "dram_bytes": 3422e6},
}
NCNN_FC_PER_MAC = 0.75
NCNN_LOOP_SHARE = 0.997

# A loop is hot if so much of all multiplications happens in it.
HOT = 0.02
MULTIPLY = re.compile(r"^(fmla|fmls|fmul|[su]mull2?|[su]mlal2?|[su]mlsl2?|mul|mla|"
                      r"mls|sqdmulh|sqrdmulh|sdot|udot)\s+v")


def model_ms(pipe_cycles, dram_bytes, cores):
    rate = {1: 7.3e9, 2: 10.4e9}[cores]
    return 1e3 * (pipe_cycles / (1.8e9 * cores) + dram_bytes / rate)


class Program:
    """The library in a program for arm64, and the way to run it."""

    def __init__(self):
        native = platform.machine() == "aarch64"
        build = "build" if native else "build/arm64"
        self.path = f"{build}/bench/cpu_counted"
        self.sysroot = "/" if native else ".cache/sysroot-arm64"
        jobs = f"-j{os.cpu_count()}"
        goal = ["bench-cpu-counted", jobs] if native else \
            ["arm64", f"ARM64_GOALS={jobs} bench-cpu-counted"]
        subprocess.run(["make", "-s", "--no-print-directory", *goal], check=True,
                       stdout=subprocess.DEVNULL)
        self.elf = cpu_elf.Elf(self.path)
        # Some containers forbid it.
        fixed = ["setarch", "-R"]
        allowed = subprocess.run([*fixed, "true"], stderr=subprocess.DEVNULL)
        self.fixed = fixed if allowed.returncode == 0 else []
        self.qemu = subprocess.run([QEMU, "--version"], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.splitlines()[0]

    def count(self, case, plugin, again):
        """A plugin's report, from an earlier run if nothing has changed."""
        name = CASES[case]
        model = files.model(name)
        sources = [f"tests/bench/arm/{n}" for n in
                   ("marks.h", "marked.c", f"a64_{plugin}.c")]
        key = files.digest(self.path, *sources, also=self.qemu + model)
        path = f"{files.KEPT}/{name}-{plugin}-{key}.txt"
        if again or not os.path.exists(path):
            files.say(f"counting {name} ({plugin}) ...")
            # Where things lie decides which cache lines collide: no ASLR, no
            # environment.
            with files.made(path) as part:
                subprocess.run(
                    [*self.fixed, QEMU, "-L", self.sysroot, "-cpu", "cortex-a72", "-plugin",
                     f"build/bench/a64_{plugin}.so,out={part}", self.path, "count",
                     model, "fp32" if case == "fp32" else "int8"], check=True,
                    env={"PATH": os.environ.get("PATH", os.defpath)})
            files.forget(f"{files.KEPT}/{name}-{plugin}-*.txt", path)
        with open(path, encoding="ascii") as f:
            return f.read().splitlines()


def balanced(total):
    """{pipe: cycles} of summed units; what either of a pair may do is dealt out
    so that they finish together, if possible."""
    either = total.get("either", 0)
    w, x = total.get("W", 0), total.get("X", 0)
    level = max(w, x, (w + x + either) / 2)
    return {"F0": min(level, w + either), "F1": min(level, x + either),
            "I": total.get("I", 0) / 2, "M": total.get("M", 0),
            "L": total.get("L", 0), "S": total.get("S", 0),
            "B": total.get("B", 0), "front end": total.get("ops", 0) / 3}


def busiest(total):
    return max(balanced(total).items(), key=lambda item: item[1])


class Mix:
    """Executed instructions of one inference."""

    def __init__(self, lines, elf):
        self.times, self.word, self.elf = {}, {}, elf
        for line in lines:
            address, times, *words = line.split()
            address, times = int(address, 16), int(times)
            for i, w in enumerate(words):
                at = address + 4 * i
                self.times[at] = self.times.get(at, 0) + times
                self.word[at] = int(w, 16)
        self.text = cpu_elf.disassemble(set(self.word.values()))
        known = list(self.text)
        self.cost = dict(zip(known, map(self._split, cpu_elf.costs(
            [self.text[w] for w in known]))))

    @staticmethod
    def _split(cost):
        """Half a cycle on W and half on X is one on either."""
        ops, units = cost
        both = min(units.get("W", 0), units.get("X", 0))
        units = {**units, "ops": ops, "either": 2 * both}
        for unit in "WX":
            units[unit] = units.get(unit, 0) - both
        return units

    def instructions(self):
        return sum(self.times.values())

    def totals(self):
        """Summed units per function; "" is what is outside the program."""
        total = {}
        for at, times in self.times.items():
            name = self.elf.function_at(at) or ""
            row = total.setdefault(name, {"instructions": 0})
            row["instructions"] += times
            for unit, cycles in self.cost.get(self.word[at], {"ops": 1}).items():
                row[unit] = row.get(unit, 0) + cycles * times
        return total

    def multiplies(self):
        """How often each multiplication is executed."""
        return {at: n for at, n in self.times.items()
                if MULTIPLY.match(self.text.get(self.word[at], ""))}


class Cache:
    def __init__(self, lines, elf):
        self.function, self.total = {}, {"read": 0, "written": 0}
        for line in lines:
            kind, *numbers = line.split()
            if kind in self.total:
                self.total[kind] = int(numbers[0])
                continue
            name = elf.function_at(int(numbers[0], 16)) or ""
            self.function[name] = self.function.get(name, 0) + int(numbers[1])


def inference(mix, cache):
    by_function = mix.totals()
    total = {}
    for row in by_function.values():
        for unit, n in row.items():
            total[unit] = total.get(unit, 0) + n
    pipe, cycles = busiest(total)
    dram = sum(cache.total.values())
    names = sorted(by_function, key=lambda n: -by_function[n]["instructions"])
    names = [n for n in names
             if by_function[n]["instructions"] > total["instructions"] / 500
             or cache.function.get(n, 0) > dram / 200]
    return {
        "instructions": total["instructions"],
        "busiest_pipe": pipe, "pipe_cycles": cycles, "pipes": balanced(total),
        "dram_bytes": dram, "dram_read": cache.total["read"],
        "dram_written": cache.total["written"],
        "a72_ms": model_ms(cycles, dram, 1), "two_a72_ms": model_ms(cycles, dram, 2),
        "functions": [{
            "name": n or "(outside the program)",
            "instructions": by_function[n]["instructions"],
            "busiest_pipe": busiest(by_function[n])[0],
            "pipe_cycles": busiest(by_function[n])[1],
            "dram_read": cache.function.get(n, 0)} for n in names],
    }


def loop_row(function, body, texts, share):
    """A loop's speed. A multiplication on two halves of a vector, one after the
    other, takes the multiplier for two cycles and counts as two."""
    cpu = "cortex-a53" if "a53" in function else "cortex-a72"
    lines = [texts[w] for w in body]
    at = [i for i, line in enumerate(lines) if MULTIPLY.match(line)]
    cycles = cpu_elf.loop_cycles(lines, cpu)
    if not at or not cycles:
        return None
    busy = len(at)
    if cpu == "cortex-a72":
        busy = sum(units.get("W", 0) for _, units in
                   cpu_elf.costs([lines[i] for i in at], cpu))
    return {"function": function, "cpu": cpu, "of_multiplies": share,
            "instructions": len(body), "multiplies": len(at), "cycles": cycles,
            "of_peak": busy / cycles}


def dram_bound(mix, cache):
    """Functions that wait for DRAM longer than they compute, on one A72: those
    of fully connected layers. No multiplication more would make them faster."""
    return {name for name, row in mix.totals().items()
            if cache.function.get(name, 0) / 7.3e9 > busiest(row)[1] / 1.8e9}


def hot_loops(program, mix, bound=()):
    """Those that execute at least HOT of the multiplications, and, unseen by a
    run on an A72, the largest one of each function for the A53."""
    done = mix.multiplies()
    total = sum(done.values()) or 1
    rows = []
    for start, size, name in program.elf.functions:
        a53 = "a53" in name and not any(start <= at < start + size for at in done)
        if not a53 and not any(start <= at < start + size for at in done):
            continue
        words = program.elf.words(start, size)
        texts = cpu_elf.disassemble(set(words))
        found = []
        for first, last in set(cpu_elf.innermost_loops(words)):
            body = words[first:last + 1]
            share = sum(done.get(start + 4 * i, 0)
                        for i in range(first, last + 1)) / total
            if any(w not in texts for w in body) or (share < HOT and not a53):
                continue
            found.append(loop_row(name, body, texts, share))
        found = [f for f in found if f]
        if a53 and found:
            found = [max(found, key=lambda f: f["multiplies"])]
            found = [f for f in found if f["multiplies"] >= 8]
        rows += found
    for r in rows:
        r["dram_bound"] = r["function"] in bound
    return sorted(rows, key=lambda r: -r["of_multiplies"])


def measure(again):
    program = Program()
    # The cache model takes longest: first. The emulator is one thread.
    jobs = [(c, p) for p in reversed(PLUGINS) for c in CASES if (c, p) != ("fc", "cache")]
    lines = {}
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    running = {pool.submit(program.count, *job, again): job for job in jobs}
    try:
        for done in concurrent.futures.as_completed(running):
            lines[running[done]] = done.result()
    except subprocess.CalledProcessError as e:
        case, plugin = running[done]
        raise SystemExit(f"tests/bench/cpu: counting {CASES[case]} ({plugin}) "
                         f"failed: {e}; start it again, what is done is kept") from e
    finally:
        pool.shutdown(cancel_futures=True)
    result = {"qemu": program.qemu, "ncnn": NCNN}
    loops = []
    for case in ("int8", "fp32"):
        mix = Mix(lines[case, "mix"], program.elf)
        cache = Cache(lines[case, "cache"], program.elf)
        result[case] = inference(mix, cache)
        loops += [{"network": f"VGG16 {case}", **r}
                  for r in hot_loops(program, mix, dram_bound(mix, cache))]
    mix = Mix(lines["fc", "mix"], program.elf)
    result["fc"] = {"instructions": mix.instructions(),
                    "per_mac": mix.instructions() / FC_MAC}
    loops += [{"network": "fc int8", **r, "dram_bound": True}
              for r in hot_loops(program, mix)]
    # A function for the A53 is found in each pass.
    seen = set()
    result["loops"] = [l for l in loops if l["of_multiplies"] or not (
        l["function"] in seen or seen.add(l["function"]))]
    return result
