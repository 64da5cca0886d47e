# SPDX-License-Identifier: MIT
"""The native half of tests/bench/cpu: this library and its peers, in turns.

Each engine is a process that was started once and has warmed up; a turn is one
inference that isn't measured, for the caches, and a few that are. All engines
take a turn with one thread and one with two in each round, and each round
begins with another one, so that what else the machine does hits all alike. Only
one engine computes at a time; between turns there is a pause, in which threads
that spin for more work give up.
"""
import os
import re
import statistics
import subprocess
import time

import cpu_files as files
import cpu_onnx
from cpu_files import Absent

THREADS = (1, 2)
PAUSE = 0.05		# seconds; ONNX Runtime's threads spin for a few ms
TURN_RUNS = 3		# measured inferences of a turn,
TURN_SECONDS = 1.0	# or fewer, if they take longer than this
ENGINE = "build/bench/cpu_engine"


class Engine:
    """An engine's process, and what it has said. `who` groups the variants of
    which the fastest counts."""

    def __init__(self, who, precision, detail, command):
        self.who, self.precision, self.detail = who, precision, detail
        self.command = command
        self.version, self.absent = None, None
        self.ms = {t: [] for t in THREADS}
        self.pipe = None

    @property
    def name(self):
        return f"{self.who} {self.precision}{self.detail}"

    def start(self):
        log = f"{files.KEPT}/{re.sub('[^a-z0-9]+', '-', self.name.lower())}.log"
        try:
            with open(log, "w", encoding="utf-8") as errors:
                self.pipe = subprocess.Popen(
                    self.command(), stdin=subprocess.PIPE, stderr=errors,
                    stdout=subprocess.PIPE, text=True)
        except (Absent, OSError) as e:
            self.absent = str(e)
            return
        words = self.pipe.stdout.readline().split(maxsplit=1)
        if words[:1] == ["ready"]:
            self.version = words[1].strip()
            return
        self.stop()
        with open(log, encoding="utf-8", errors="replace") as f:
            lines = [line.strip() for line in f if line.strip()]
        self.absent = lines[-1] if lines else "its process ended without a word"

    def run(self, threads):
        self.pipe.stdin.write(f"run {threads}\n")
        self.pipe.stdin.flush()
        answer = self.pipe.stdout.readline()
        if not answer:
            raise SystemExit(f"tests/bench/cpu: {self.name} ended during the "
                             f"measurement; see {files.KEPT}/*.log")
        return float(answer)

    def turn(self, threads):
        self.run(threads)
        end = time.monotonic() + TURN_SECONDS
        for _ in range(TURN_RUNS):
            self.ms[threads].append(self.run(threads))
            if time.monotonic() > end:
                break

    def stop(self):
        if self.pipe:
            self.pipe.stdin.close()
            self.pipe.wait()
            self.pipe = None

    def figures(self):
        row = {"engine": self.name, "who": self.who, "precision": self.precision}
        if self.absent:
            return row | {"absent": self.absent}
        return row | {"version": self.version, "threads": {
            str(t): {"min_ms": min(ms), "median_ms": statistics.median(ms),
                     "runs": len(ms)} for t, ms in self.ms.items()}}


def engines():
    def ours(precision):
        return lambda: [ENGINE, "serve", files.model(f"vgg16-{precision}"),
                        precision, *map(str, THREADS)]

    def ort(network):
        def command():
            files.ort_install()
            return files.in_root(files.PYTHON, files.PEER, "ort", network())
        return command

    def here(*arguments):
        return lambda: [files.PYTHON, files.PEER,
                        *(a() if callable(a) else a for a in arguments)]

    return [
        Engine("vggaccel", "int8", "", ours("int8")),
        Engine("ONNX Runtime", "int8", ", uint8 activations",
               ort(lambda: files.ort_qdq("uint8"))),
        Engine("ONNX Runtime", "int8", ", int8 activations",
               ort(lambda: files.ort_qdq("int8"))),
        Engine("PyTorch", "int8", "", here("torch-int8")),
        Engine("vggaccel", "fp32", "", ours("fp32")),
        Engine("ONNX Runtime", "fp32", "", ort(lambda: files.onnx("vgg16"))),
        Engine("PyTorch", "fp32", "", here("torch-fp32")),
        Engine("OpenCV", "fp32", "", here("opencv", lambda: files.onnx("vgg16"))),
    ]


def peak_memory():
    """Of a fresh process that does one int8 inference, in bytes."""
    out = subprocess.run([ENGINE, "memory", files.model("vgg16-int8"), "int8"],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(out) * 1024


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        text = f.read()
    name = re.search(r"^model name\s*: (.*)", text, re.M)
    flags = re.search(r"^(?:flags|Features)\s*: (.*)", text, re.M)
    words = flags[1].split() if flags else []
    known = [w for w in ("avx2", "avx512f", "avx512_vnni", "asimd", "asimddp", "i8mm")
             if w in words]
    return f"{name[1] if name else os.uname().machine} ({' '.join(known)})"


def interleave(running, rounds):
    turns = [(e, t) for t in THREADS for e in running]
    for n in range(rounds):
        files.say(f"round {n + 1} of {rounds}")
        first = n * len(turns) // rounds
        for engine, threads in turns[first:] + turns[:first]:
            time.sleep(PAUSE)
            engine.turn(threads)


def measure(rounds):
    load = os.getloadavg()[0]
    memory = peak_memory()
    every = engines()
    try:
        for e in every:
            files.say(f"starting {e.name} ...")
            e.start()
        if every[0].absent:
            raise SystemExit(f"tests/bench/cpu: {every[0].name}: {every[0].absent}")
        interleave([e for e in every if not e.absent], rounds)
    finally:
        for e in every:
            e.stop()
    return {"machine": os.uname().machine, "cpu": cpu_name(),
            "cores": os.cpu_count(), "rounds": rounds, "load_before": load,
            "engines": [e.figures() for e in every],
            "peak_bytes": memory, "int8_weight_bytes": cpu_onnx.weight_count()}
