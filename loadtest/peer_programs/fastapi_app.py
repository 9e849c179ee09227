"""FastAPI with ONNX Runtime, as a careful person writes it: orjson for the numbers on both sides,
one thread a session, one path a model.

`PEER_MODELS` is the folder with `iris.onnx`, `forest.onnx` and `network.onnx`.
"""

import os
import pathlib

import numpy
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

FOLDER = pathlib.Path(os.environ["PEER_MODELS"])


def session(name):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        FOLDER / f"{name}.onnx", options, providers=["CPUExecutionProvider"]
    )


def runner(name, output):
    model = session(name)
    source = model.get_inputs()[0].name
    return lambda rows: model.run([output], {source: rows})[0]


iris = runner("iris", "probabilities")
forest = runner("forest", "probabilities")
app = FastAPI(openapi_url=None)


async def rows_of(request):
    return numpy.array(orjson.loads(await request.body())["data"], dtype=numpy.float32)


def answer(values):
    text = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(text, media_type="application/json")


@app.get("/ready")
async def ready():
    return Response()


@app.post("/iris")
async def score_iris(request: Request):
    return answer(iris(await rows_of(request)))


@app.post("/forest")
async def score_forest(request: Request):
    return answer(numpy.ascontiguousarray(forest(await rows_of(request))[:, 1]))
