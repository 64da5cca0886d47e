# SPDX-License-Identifier: MIT
"""The other end of ort.py, inside the root. A line of JSON is a job; each image
of its input runs alone."""
import json
import sys

import numpy as np
import onnxruntime


def run(job):
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = 2
    o.log_severity_level = 3
    if not job["optimise"]:
        o.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(job["model"], o,
                                           providers=["CPUExecutionProvider"])
    # Old files list their initialisers as inputs too; those aren't told here.
    name = session.get_inputs()[0].name
    x = np.load(job["input"])
    np.save(job["output"], np.stack([session.run(None, {name: row[None]})[0]
                                     for row in x]))


def say(**what):
    print(json.dumps(what), flush=True)


say(version=onnxruntime.__version__)
for line in sys.stdin:
    try:
        run(json.loads(line))
        say(version=onnxruntime.__version__)
    except Exception as e:  # whatever it is, the test tells it
        say(error=f"ONNX Runtime: {e}")
