"""Makes what the servers of loadtest/peers serve, and what they have to answer, once.

`make_models.py FOLDER`: LightGBM's model of 500 trees that loadtest/batch has too, its first 50 and
first 5 trees, the same 500 as ONNX, and rows with the predictions of LightGBM and ONNX Runtime.
"""

import json
import pathlib
import sys

import lightgbm
import numpy
import onnxmltools
import onnxruntime
from onnxmltools.convert.common.data_types import FloatTensorType

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from batch_rivals import COLUMNS, numbers, train  # noqa: E402

ROWS = 1000


def make_forest(folder):
    text = folder / "forest.txt"
    train(text)
    booster = lightgbm.Booster(model_file=text)
    for trees in (5, 50):
        booster.save_model(folder / f"forest-{trees}.txt", num_iteration=trees)
    types = [("input", FloatTensorType([None, COLUMNS]))]
    model = onnxmltools.convert_lightgbm(
        booster, initial_types=types, zipmap=False, target_opset=15
    )
    (folder / "forest.onnx").write_bytes(model.SerializeToString())
    rows, _ = numbers(numpy.random.Generator(numpy.random.PCG64(7)), ROWS)
    # Float32 in its fewest digits, and LightGBM's answer to the numbers that these digits say.
    digits = [[float(str(value)) for value in row] for row in rows]
    for name in ("forest", "forest-50", "forest-5"):
        expected = lightgbm.Booster(model_file=folder / f"{name}.txt").predict(digits)
        write(folder / f"{name}.json", digits, expected)


def make_network(folder):
    session = onnxruntime.InferenceSession(
        folder / "network.onnx", providers=["CPUExecutionProvider"]
    )
    random = numpy.random.Generator(numpy.random.PCG64(7))
    rows = random.uniform(-1, 1, (1, 512)).astype(numpy.float32)
    expected = session.run(None, {session.get_inputs()[0].name: rows})[0]
    write(folder / "network.json", rows.astype(float).tolist(), expected)


def write(path, rows, expected):
    path.write_text(json.dumps({"rows": rows, "expected": expected.astype(float).tolist()}))


def main():
    folder = pathlib.Path(sys.argv[1])
    make_forest(folder)
    make_network(folder)


main()
