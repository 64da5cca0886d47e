# SPDX-License-Identifier: MIT
"""Files of the model zoo's structures (zoo.py), imported by vggctl, against ONNX
Runtime. Prints TAP.

In floating point all files of one network give the same. Of quantised ones each
tensor of bytes is compared alone, computed from the bytes that ONNX Runtime has
in front of the convolution or product that makes it, and accumulated: from the
image. "Differ by 1" is one quantisation step of that tensor.

QLinearAdd is the exception: what its integer form adds is rounded to the output's
steps, so its values may be off by one, and what comes behind by more.

    zoo_check.py [--divide N] [--side PIXELS] [--classes N] [--images N] [NAME...]

The files' own size is `--divide 1 --side 224 --classes 1000`; with `--images 1
vgg16-12-int8 vgg16-12-qdq` that takes minutes.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np

import ort
import zoo

VGGCTL = "build/vggctl"
SIZE = {"divide": 8, "side": 64, "classes": 100}
SHARE = 1e-5	# of values that may be off by one, each layer alone


def vggctl(*arguments):
    done = subprocess.run([VGGCTL, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ours(folder, path, x, precision, device="cpu"):
    """The output for each of the inputs, flat."""
    model, y = f"{folder}/m.model", f"{folder}/y.npy"
    quantize = [] if precision == "int8" else ["--no-quantize"]
    vggctl("import", path, "-o", model, *quantize)
    # A network that takes vectors is run for one after the other.
    stacks = [x] if x.ndim == 4 and x.shape[1] in (1, 3) else x[:, None]
    found = []
    for stack in stacks:
        np.save(f"{folder}/in.npy", stack)
        vggctl("--device", device, "run", "--model", model, "--precision", precision,
               "--input", f"{folder}/in.npy", "--output", y)
        found.append(np.load(y).reshape(len(stack), -1))
    return np.concatenate(found)


class Peer:
    """ONNX Runtime on files of one folder."""

    def __init__(self, folder):
        self.folder, self.runtime = folder, ort.Runtime()

    def run(self, path, x, optimise=True):
        np.save(f"{self.folder}/peer-x.npy", x)
        self.runtime.run(path, f"{self.folder}/peer-x.npy", f"{self.folder}/peer-y.npy",
                         optimise)
        return np.load(f"{self.folder}/peer-y.npy")


def has_wide_sums():
    """Without such instructions ONNX Runtime's sums of two products of bytes
    saturate at 16 bits on amd64; quantisers for those leave weights 7 bits."""
    if os.uname().machine != "x86_64":
        return True
    with open("/proc/cpuinfo", encoding="ascii") as f:
        words = f.read().split()
    return "avx512_vnni" in words or "avx_vnni" in words


LEVELS = 127 if has_wide_sums() else 63
FLOATS = [
    (16, False, ["vgg16-7", "vgg16-12"]),
    (16, True, ["vgg16-bn-7"]),
    (19, False, ["vgg19-7", "vgg19-caffe2-3", "vgg19-caffe2-6", "vgg19-caffe2-7",
                 "vgg19-caffe2-8", "vgg19-caffe2-9"]),
    (19, True, ["vgg19-bn-7"]),
]
QUANTISED = [
    ("vgg16-12-int8", "qgemm", {"per_channel": True}),
    ("its products and sums apart", "matmul", {}),
    ("int8 activations", "qgemm", {"per_channel": True, "signed": True}),
    ("vgg16-12-qdq", "qdq", {}),
    ("QDQ, weights per channel, ReLUs kept", "qdq",
     {"per_channel": True, "relu": True, "opset": 13}),
    ("QDQ, int8 activations, a Flatten that changes the scale", "qdq",
     {"signed": True, "shift": True}),
]


def softmax(y):
    e = np.exp(y - y.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def check_floats(peer, folder, name, reference, x):
    path = f"{folder}/{name}.onnx"
    zoo.FILES[name](path, **SIZE)
    y = ours(folder, path, x, "fp32")
    want = softmax(reference) if "caffe2" in name else reference
    worst = np.abs(y - want).max() / np.abs(want).max()
    print(f"# {name}: largest difference / largest output {worst:.1e}")
    assert worst <= 1e-4, worst
    return y


def steps_apart(y, want, params):
    """Differences in quantisation steps; both are multiples of it."""
    scale, zero = params
    a, b = (np.rint(v.reshape(len(v), -1) / scale) + int(zero) for v in (y, want))
    return np.abs(a - b)


class Tally:
    def __init__(self):
        self.most, self.where, self.different, self.count = 0, "-", 0, 0

    def add(self, apart, where):
        if apart.max() > self.most:
            self.most, self.where = int(apart.max()), where
        self.different += np.count_nonzero(apart)
        self.count += apart.size

    def __str__(self):
        share = 100 * self.different / self.count
        return f"{share:.4f} % differ, by at most {self.most}" + (
            f" ({self.where})" if self.most > 1 else "")


def check_quantised(peer, folder, form, options, images, everywhere):
    net = zoo.Net(16, **SIZE)
    files = zoo.Quantised(net, form, levels=LEVELS, **options)
    x = net.input(images, 3)
    path = f"{folder}/q.onnx"
    alone, whole, itself, tensors = Tally(), Tally(), Tally(), [x]
    names = files.tensors_of_bytes
    for k, name in list(enumerate(names))[1:]:
        params = files.params[name]
        files.write(path, 0, k)
        want = peer.run(path, x)
        tensors.append(want.reshape(images, *files.shape(k)[1:]))
        if everywhere or name == names[-1]:
            last = steps_apart(ours(folder, path, x, "int8"), want, params)
            whole.add(last, name)
            if form == "qdq":
                itself.add(steps_apart(peer.run(path, x, False), want, params), name)
        first = files.product_before(k)
        files.write(path, first, k)
        if form != "matmul" or "flatten" not in name:
            step = ours(folder, path, tensors[first], "int8")
            alone.add(steps_apart(step, peer.run(path, tensors[first]), params), name)
    print(f"# each of {len(names) - 1} tensors alone: {alone}")
    if everywhere:
        print(f"# from the image to each: {whole}")
    print(f"# the output: {100 * np.count_nonzero(last) / last.size:.4f} % differ, "
          f"by at most {int(last.max())}", flush=True)
    if itself.count:
        print(f"# ONNX Runtime's own two ways, optimised or not: {itself}")
    assert alone.most <= 1
    # A value that is off by one makes those behind it round elsewhere; without
    # any, the whole must be the same.
    if form != "matmul":
        assert alone.different <= alone.count * SHARE
        assert whole.different == 0 or alone.different > 0


class Cases:
    def __init__(self):
        self.number = self.failed = 0

    def run(self, name, test, *arguments):
        self.number += 1
        try:
            test(*arguments)
            good = True
        except AssertionError as e:
            print("# " + str(e).replace("\n", "\n# "))
            good = False
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.number} {name}", flush=True)


def arguments():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", metavar="NAME", help="only these")
    p.add_argument("--divide", type=int, default=SIZE["divide"], metavar="N",
                   help="a network of 1/N of the width")
    p.add_argument("--side", type=int, default=SIZE["side"], metavar="PIXELS")
    p.add_argument("--classes", type=int, default=SIZE["classes"], metavar="N")
    p.add_argument("--images", type=int, default=3, metavar="N")
    return p.parse_args()


def main():
    args = arguments()
    SIZE.update(divide=args.divide, side=args.side, classes=args.classes)
    # Below build/, as the root sees nothing outside the project.
    with tempfile.TemporaryDirectory(prefix="zoo-", dir="build") as folder:
        try:
            peer = Peer(folder)
        except ort.Absent as e:
            print(f"1..0 # SKIP {e}")
            return 0
        print(f"# ONNX Runtime {peer.runtime.version}; weights of +-{LEVELS}")
        cases = Cases()
        for depth, bn, names in FLOATS:
            names = [n for n in names if not args.names or n in args.names]
            if not names:
                continue
            net = zoo.Net(depth, bn=bn, **SIZE)
            x, path = net.input(args.images, 3), f"{folder}/new.onnx"
            zoo.mxnet(net, path, opset=13, spatial=None)
            reference = peer.run(path, x).reshape(args.images, -1)
            for name in names:
                cases.run(name, check_floats, peer, folder, name, reference, x)
        for name, form, options in QUANTISED:
            if not args.names or name in args.names:
                cases.run(name, check_quantised, peer, folder, form, options,
                          args.images, name.startswith("vgg16-12"))
        peer.runtime.close()
        print(f"1..{cases.number}")
    return 1 if cases.failed else 0


if __name__ == "__main__":
    sys.exit(main())
