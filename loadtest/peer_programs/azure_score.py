"""The scoring script of Azure's inference server. The width of a row says which model is meant:
iris has 4 columns and ONNX Runtime, the 500 trees have 28 and LightGBM itself."""

import json
import os
import pathlib

import lightgbm
import numpy
import onnxruntime

FOLDER = pathlib.Path(os.environ["PEER_MODELS"])


def init():
    global iris, forest
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    iris = onnxruntime.InferenceSession(
        FOLDER / "iris.onnx", options, providers=["CPUExecutionProvider"]
    )
    forest = lightgbm.Booster(model_file=FOLDER / "forest.txt")


def run(body):
    rows = json.loads(body)["data"]
    if len(rows[0]) == 4:
        values = {iris.get_inputs()[0].name: numpy.array(rows, dtype=numpy.float32)}
        return iris.run(["probabilities"], values)[0].tolist()
    return forest.predict(numpy.array(rows), num_threads=1).tolist()
