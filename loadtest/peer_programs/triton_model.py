"""Triton's Python backend with ONNX Runtime; the requests that Triton has joined run at once."""

import os
import pathlib

import numpy
import onnxruntime
import triton_python_backend_utils as triton

FOLDER = pathlib.Path(os.environ["PEER_MODELS"])


class TritonPythonModel:
    def initialize(self, arguments):
        name = arguments["model_name"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            FOLDER / f"{name}.onnx", options, providers=["CPUExecutionProvider"]
        )
        self.source = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[-1].name
        # Of two classes the second is the prediction, as LightGBM itself answers.
        self.is_forest = name == "forest"

    def execute(self, requests):
        parts = [triton.get_input_tensor_by_name(one, "input").as_numpy() for one in requests]
        rows = parts[0] if len(parts) == 1 else numpy.concatenate(parts)
        values = self.session.run([self.output], {self.source: rows})[0]
        if self.is_forest:
            values = numpy.ascontiguousarray(values[:, 1:])
        answers, begin = [], 0
        for part in parts:
            end = begin + len(part)
            tensor = triton.Tensor("output", values[begin:end])
            answers.append(triton.InferenceResponse([tensor]))
            begin = end
        return answers
