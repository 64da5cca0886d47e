#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""Makes the int8 network that ONNX Runtime runs in tests/bench/cpu.

    cpu_quantize.py FP32.onnx INT8.onnx uint8|int8

Static, QDQ form, weights int8 per channel; the last word is the type of
activations. Calibrated with noise: time doesn't depend on scales.
"""
import sys

import numpy as np
# In this order: once onnxruntime has registered its operators, Debian's
# onnx.reference refuses to load (both share one libonnx).
import onnx.reference  # noqa: F401
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                      quantize_static)

SHAPE = (1, 3, 224, 224)


class Images(CalibrationDataReader):
    def __init__(self):
        random = np.random.default_rng(1)
        self.left = [{"input": random.standard_normal(SHAPE, np.float32)}
                     for _ in range(2)]

    def get_next(self):
        return self.left.pop() if self.left else None


if len(sys.argv) != 4 or sys.argv[3] not in ("uint8", "int8"):
    sys.exit(__doc__)
quantize_static(sys.argv[1], sys.argv[2], Images(), quant_format=QuantFormat.QDQ,
                per_channel=True, weight_type=QuantType.QInt8,
                activation_type=(QuantType.QInt8 if sys.argv[3] == "int8"
                                 else QuantType.QUInt8))
