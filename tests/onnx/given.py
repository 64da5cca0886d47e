# SPDX-License-Identifier: MIT
"""A graph that is quantised already keeps its scales and its weights, whatever vggctl
quantize is told; and it tells so."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import zoo  # noqa: E402

FAILED = []


def vggctl(*arguments):
    done = subprocess.run(["build/vggctl", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def quantize(folder, *arguments):
    out, _ = vggctl("quantize", f"{folder}/q.model", "-o", f"{folder}/again.model", "--json",
                    *arguments)
    return json.loads(out)


def names(doc):
    return [w["name"] for w in doc["warnings"]]


def imported(folder):
    _, said = vggctl("import", f"{folder}/q.onnx", "-o", f"{folder}/q.model")
    assert "SCALES_GIVEN" not in said, said
    _, said = vggctl("import", f"{folder}/q.onnx", "-o", f"{folder}/q.model", "--method",
                     "minmax")
    assert "WARNING: q: quantised already: its scales are kept" in said, said
    out, _ = vggctl("info", "-m", f"{folder}/q.model")
    assert "calibration   given by the file\n" in out, out


def kept(folder):
    doc = quantize(folder, "--method", "entropy", "--equalize", "--bias-correction")
    assert names(doc) == ["SCALES_GIVEN"], names(doc)
    assert doc["report"]["given"] and doc["report"]["images"] == 0
    assert doc["report"]["cosine"] is None and "cosine" not in doc["report"]["layers"][0]
    with open(f"{folder}/q.model", "rb") as a, open(f"{folder}/again.model", "rb") as b:
        assert a.read() == b.read(), "not the same file"


def measured(folder):
    subprocess.run(["build/shapes-draw", "--seed", "5", "--count", "12", "--size", "64x64", "--png",
                    f"{folder}/images"], check=True, stdout=subprocess.DEVNULL)
    report = (doc := quantize(folder, "--calib", f"{folder}/images"))["report"]
    assert "SCALES_GIVEN" in names(doc) and report["images"] == 12
    # fp32 rounds where int8 does, so single layers are the same but for a few values.
    assert report["cosine"] > .99, report["cosine"]
    assert all(layer["cosine_alone"] > .9999 for layer in report["layers"])


def main():
    with tempfile.TemporaryDirectory(prefix="given-", dir="build") as folder:
        zoo.FILES["vgg16-12-qdq"](f"{folder}/q.onnx", divide=16, side=32, classes=10)
        for number, test in enumerate((imported, kept, measured), 1):
            try:
                test(folder)
                print(f"ok {number} {test.__name__}", flush=True)
            except AssertionError as e:
                FAILED.append(test)
                print("# " + str(e).replace("\n", "\n# "))
                print(f"not ok {number} {test.__name__}", flush=True)
    print("1..3")
    return 1 if FAILED else 0


sys.exit(main())
