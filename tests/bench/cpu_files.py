# SPDX-License-Identifier: MIT
"""What tests/bench/cpu keeps between its runs, below .cache/bench/cpu: networks
in each engine's form, and counts of libraries that haven't changed since."""
import contextlib
import fcntl
import glob
import hashlib
import os
import subprocess
import sys
import tempfile

import cpu_onnx
# In tests/onnx, which cpu_onnx has put into the path.
from ort import PYTHON, Absent, in_root, install as ort_install  # noqa: F401

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
KEPT = os.path.join(".cache", "bench", "cpu")
VGGCTL = "build/vggctl"
PEER = "tests/bench/cpu_peer.py"
QUANTIZE = "tests/bench/cpu_quantize.py"

# A network's name, and how vggctl imports it.
MODELS = {
    "vgg16-int8": ("vgg16", ["--keep", "none"]),
    "vgg16-fp32": ("vgg16", ["--no-quantize"]),
    "fc4096-int8": ("fc4096", ["--keep", "none"]),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def digest(*paths, also=""):
    h = hashlib.sha256(also.encode())
    for path in paths:
        with open(path, "rb") as f:
            while block := f.read(1 << 20):
                h.update(block)
    return h.hexdigest()[:20]


@contextlib.contextmanager
def made(path):
    """A name to write to; what is under it becomes `path`, whole or not at all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.part"
    try:
        yield part
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def forget(pattern, keep):
    """Removes what the file `keep` has replaced."""
    for path in glob.glob(pattern):
        if path != keep:
            os.unlink(path)


@contextlib.contextmanager
def locked(name):
    """What two runs, or two threads, need at once is made once."""
    os.makedirs(KEPT, exist_ok=True)
    with open(f"{KEPT}/{name}.lock", "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def onnx(name):
    writers = [cpu_onnx.__file__, cpu_onnx.onnx_file.__file__]
    path = f"{KEPT}/{name}-{digest(*writers)}.onnx"
    with locked(f"{name}.onnx"):
        if not os.path.exists(path):
            say(f"writing {name}.onnx with random weights (once) ...")
            with made(path) as part:
                getattr(cpu_onnx, name)(part)
            forget(f"{KEPT}/{name}-*.onnx", path)
    return path


def model(name):
    """The compiled model, made again when the importer's sources change."""
    network, options = MODELS[name]
    source = onnx(network)
    sources = sorted(glob.glob("lib/model/*.[ch]") + glob.glob("lib/image/*.[ch]"))
    path = f"{KEPT}/{name}-{digest(*sources, also=source)}.model"
    with locked(name):
        if not os.path.exists(path):
            say(f"compiling {name} (once) ...")
            with made(path) as part, tempfile.TemporaryDirectory() as images:
                # One image calibrates: time doesn't depend on scales.
                os.symlink(f"{TOP}/samples/star.jpg", f"{images}/star.jpg")
                calib = [] if "--no-quantize" in options else ["--calib", images]
                subprocess.run([VGGCTL, "import", source, *options, *calib,
                                "-o", part], check=True, stdout=subprocess.DEVNULL)
            forget(f"{KEPT}/{name}-*.model", path)
    return path


def ort_qdq(activations):
    source = onnx("vgg16")
    path = (f"{KEPT}/ort-{activations}-"
            f"{digest(QUANTIZE, also=source)}.onnx")
    with locked(f"ort-{activations}"):
        if not os.path.exists(path):
            say(f"quantising for ONNX Runtime, {activations} activations "
                "(once, minutes) ...")
            with made(path) as part, open(f"{KEPT}/quantize.log", "w",
                                          encoding="utf-8") as log:
                done = subprocess.run(
                    in_root(PYTHON, QUANTIZE, source, part, activations),
                    stdout=log, stderr=log)
                if done.returncode:
                    raise Absent("onnxruntime.quantization failed, see "
                                 f"{KEPT}/quantize.log")
            forget(f"{KEPT}/ort-{activations}-*.onnx", path)
    return path
