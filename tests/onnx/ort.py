# SPDX-License-Identifier: MIT
"""ONNX Runtime, which Debian 12 lacks: from the project's Debian trixie.

It runs as a process in there, sees nothing but the project's folder, and serves
jobs: a model, inputs stacked in an array, and where the outputs go.
"""
import fcntl
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOT = [f"{TOP}/tools/trixie"]
ROOT_FOLDER = ".cache/trixie"
PYTHON = "/usr/bin/python3"
PACKAGES = ["python3-onnxruntime", "python3-onnx", "python3-numpy"]


class Absent(Exception):
    """Something that can't be had here; says why."""


def in_root(*command):
    return [*ROOT, ROOT_FOLDER, *command]


def install():
    """Into the root, once. It isn't in tools/trixie's own list: a few tests and
    the benchmarks need it, guests and kernels don't."""
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    os.makedirs(".cache", exist_ok=True)
    try:
        # Tests that run at once install it once.
        with open(".cache/onnxruntime.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if subprocess.run(in_root("dpkg", "-s", *PACKAGES), **quiet).returncode == 0:
                return
            print("installing ONNX Runtime into .cache/trixie (once) ...",
                  file=sys.stderr, flush=True)
            apt = [*ROOT, "--root", ROOT_FOLDER, "apt-get", "-q"]
            call = [*apt, "install", "-y", "--no-install-recommends", *PACKAGES]
            done = subprocess.run(call, **quiet)
            if done.returncode:
                subprocess.run([*apt, "update"], **quiet)
                done = subprocess.run(call, **quiet)
    except OSError as e:
        raise Absent(f"tools/trixie doesn't run: {e}") from e
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["apt-get failed"]
        raise Absent(f"python3-onnxruntime isn't installed: {lines[-1]}")


class Runtime:
    """The process. Paths of jobs are relative to the project's folder, or below
    it."""

    def __init__(self):
        install()
        # Debian's build complains of each operator that libonnx has, too.
        self.pipe = subprocess.Popen(
            in_root(PYTHON, "-B", "tests/onnx/ort_serve.py"), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.version = self.answer()

    def answer(self):
        line = self.pipe.stdout.readline()
        if not line:
            raise Absent("ONNX Runtime's process ended without a word")
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["version"]

    def run(self, model, inputs, outputs, optimise=True):
        job = {"model": model, "input": inputs, "output": outputs, "optimise": optimise}
        self.pipe.stdin.write(json.dumps(job) + "\n")
        self.pipe.stdin.flush()
        self.answer()

    def close(self):
        self.pipe.stdin.close()
        self.pipe.wait()
