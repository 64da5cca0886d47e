#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""One peer of tests/bench/cpu, as a process that serves inferences.

    cpu_peer.py torch-fp32|torch-int8 | ort FILE.onnx | opencv FILE.onnx

Says "ready VERSION AND SETTINGS", then answers each line "run THREADS" by one
inference and its milliseconds.

Batch 1, VGG16 at 224x224. Everything is set as each project advises for
inference: traced and frozen, fused, all graph optimisations.
"""
import sys
import time
import warnings

import numpy as np

sys.dont_write_bytecode = True

THREADS = (1, 2)
SHAPE = (1, 3, 224, 224)


def make_input(seed=0):
    return np.random.default_rng(seed).standard_normal(SHAPE, np.float32)


def torch_network(torch, front=(), back=()):
    from cpu_onnx import HEAD, VGG16
    nn, bare = torch.nn, torch.nn.utils.skip_init
    torch.manual_seed(1)
    layers, channels = list(front), 3
    for c in VGG16:
        if c == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [bare(nn.Conv2d, channels, c, 3, padding=1), nn.ReLU()]
        channels = c
    layers.append(nn.Flatten())
    n = channels * 49
    for width in HEAD:
        layers += [bare(nn.Linear, n, width), nn.ReLU()]
        n = width
    net = nn.Sequential(*layers[:-1], *back).eval()
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")
            nn.init.zeros_(m.bias)
    return net


def torch_quantized(torch):
    """Eager post-training quantisation, each ReLU fused into what it follows."""
    q = torch.ao.quantization
    supported = torch.backends.quantized.supported_engines
    engine = next((e for e in ("onednn", "fbgemm", "x86", "qnnpack")
                   if e in supported), None)
    if not engine:
        sys.exit(f"this PyTorch quantises for {supported} only")
    torch.backends.quantized.engine = engine
    net = torch_network(torch, [q.QuantStub()], [q.DeQuantStub()])
    pairs = [[str(i), str(i + 1)] for i, m in enumerate(net)
             if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))
             and isinstance(net[i + 1], torch.nn.ReLU)]
    net = q.fuse_modules(net, pairs)
    net.qconfig = q.get_default_qconfig(engine)
    net = q.prepare(net)
    net(torch.from_numpy(make_input(1)))
    return q.convert(net), engine


def open_torch(kind):
    import torch
    torch.set_grad_enabled(False)
    x = torch.from_numpy(make_input())
    if kind == "torch-int8":
        net, engine = torch_quantized(torch)
        net = torch.jit.freeze(torch.jit.trace(net, x))
    else:
        # Freezing alone leaves it to reorder its weights at each inference.
        net, engine = torch_network(torch), "jit"
        net = torch.jit.optimize_for_inference(torch.jit.trace(net, x))

    def run(threads):
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        net(x)
    return run, f"PyTorch {torch.__version__} ({engine})"


def open_ort(path):
    import onnxruntime
    sessions = {}
    for threads in THREADS:
        o = onnxruntime.SessionOptions()
        o.intra_op_num_threads = threads
        o.inter_op_num_threads = 1
        o.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        sessions[threads] = onnxruntime.InferenceSession(
            path, o, providers=["CPUExecutionProvider"])
    feed = {"input": make_input()}
    return (lambda threads: sessions[threads].run(None, feed),
            f"ONNX Runtime {onnxruntime.__version__}")


def open_opencv(path):
    import cv2
    net = cv2.dnn.readNetFromONNX(path)
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    x = make_input()

    def run(threads):
        if cv2.getNumThreads() != threads:
            cv2.setNumThreads(threads)
        net.setInput(x)
        net.forward()
    return run, f"OpenCV {cv2.__version__}"


def serve(run, text):
    # What is compiled or allocated at first use isn't measured.
    for threads in THREADS:
        for _ in range(2):
            run(threads)
    print(f"ready {text}", flush=True)
    for line in sys.stdin:
        word, threads = line.split()
        if word != "run":
            sys.exit(f"unknown request: {line}")
        start = time.perf_counter()
        run(int(threads))
        print(f"{(time.perf_counter() - start) * 1e3:.4f}", flush=True)


def main():
    warnings.filterwarnings("ignore")
    kind, *rest = sys.argv[1:] or sys.exit(__doc__)
    if kind in ("torch-fp32", "torch-int8"):
        serve(*open_torch(kind))
    elif kind == "ort":
        serve(*open_ort(*rest))
    elif kind == "opencv":
        serve(*open_opencv(*rest))
    else:
        sys.exit(__doc__)


main()
