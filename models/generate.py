#!/usr/bin/env python3
"""Makes the sample model packages in this folder again.

    python -m venv venv && venv/bin/pip install -r models/requirements.txt
    venv/bin/python models/generate.py            writes the packages
    venv/bin/python models/generate.py --check    compares them with what is committed

A package is <name>/<version>/{model.yml, artifact, sample-request.json, sample-response.json}. The
data sets ship inside scikit-learn; seeds are fixed and one thread trains. The sample answers are what
the training library itself predicts, written as `POST /score` answers: a float32 is widened to a
double, as `.tolist()` does. `data/` has rows to score in batches, with what LightGBM predicts for them
in `data/expected/`. `endpoints/` is written by hand.
"""
import argparse
import filecmp
import json
import os
import sys
import tempfile
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import lightgbm
import numpy
import onnxruntime
import xgboost
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

SCHEMA = "https://azuremlschemas.azureedge.net/latest/model.schema.json"
TARGET_OPSET = {"": 18, "ai.onnx.ml": 3}


def main():
    arguments = argparse.ArgumentParser(description="Makes the sample model packages.")
    arguments.add_argument("--check", action="store_true", help="compare, write nothing")
    here = os.path.dirname(os.path.abspath(__file__))
    if arguments.parse_args().check:
        with tempfile.TemporaryDirectory() as folder:
            generate(folder)
            sys.exit(1 if differences(folder, here) else 0)
    generate(here)


def generate(folder):
    iris(folder)
    breast_cancer(folder)
    diabetes(folder)
    digits(folder)


def iris(folder):
    data = load_iris()
    model = LogisticRegression(max_iter=1000, random_state=7).fit(data.data, data.target)
    rows = data.data[[0, 60, 149]]
    write_package(
        folder, "iris", 1,
        artifact=("model.onnx", onnx_bytes(model, data.data, "iris")),
        description="Iris species from petal and sepal sizes: logistic regression, probabilities.",
        tags={"framework": "scikit-learn", "task": "classification"},
        extension={
            "columns": list(data.feature_names),
            "response": {"outputs": ["probabilities"]},
        },
        request={"data": rows.tolist()},
        answer=model.predict_proba(rows.astype(numpy.float32)),
    )


def breast_cancer(folder):
    data = load_breast_cancer()
    names = list(data.feature_names)
    rows = data.data[[0, 50, 544]]
    shapes = {1: dict(max_depth=3, eta=0.3, rounds=30), 2: dict(max_depth=4, eta=0.15, rounds=60)}
    for version, shape in shapes.items():
        matrix = xgboost.DMatrix(
            data.data.astype(numpy.float32), label=data.target, feature_names=names)
        booster = xgboost.train(
            dict(
                objective="binary:logistic", tree_method="exact", nthread=1, seed=version,
                max_depth=shape["max_depth"], eta=shape["eta"], subsample=0.8,
            ),
            matrix, num_boost_round=shape["rounds"])
        write_package(
            folder, "breast-cancer", version,
            artifact=("model.json", bytes(booster.save_raw("json"))),
            description="Whether a breast mass is benign: XGBoost, "
            f"{shape['rounds']} trees of depth {shape['max_depth']}.",
            tags={"framework": "xgboost", "task": "classification"},
            extension=None,
            request=table(names, rows),
            answer=booster.predict(
                xgboost.DMatrix(rows.astype(numpy.float32), feature_names=names)),
        )


def diabetes(folder):
    data = load_diabetes()
    names = list(data.feature_names)
    booster = lightgbm.train(
        dict(
            objective="regression", num_leaves=15, learning_rate=0.08, min_data_in_leaf=10,
            num_threads=1, deterministic=True, force_row_wise=True, seed=7, verbosity=-1,
        ),
        lightgbm.Dataset(data.data, label=data.target, feature_name=names),
        num_boost_round=60)
    rows = data.data[[0, 100, 441]]
    write_package(
        folder, "diabetes", 1,
        artifact=("model.txt", booster.model_to_string().encode()),
        description="Progression of diabetes one year after the measurements: LightGBM regression.",
        tags={"framework": "lightgbm", "task": "regression"},
        extension=None,
        request=table(names, rows),
        answer=booster.predict(rows),
    )
    write_data(folder, "diabetes", names, data.data, booster.predict, file_count=3)


def digits(folder):
    data = load_digits()
    model = MLPClassifier(
        hidden_layer_sizes=(64, 32), max_iter=60, random_state=7, early_stopping=False, tol=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It has not converged to the last digit: it need not.
        model.fit(data.data.astype(numpy.float32), data.target)
    rows = data.data[[0, 1, 1796]]
    write_package(
        folder, "digits", 1,
        artifact=("model.onnx", onnx_bytes(model, data.data, "digits")),
        description="Handwritten digits of 8 by 8 pixels, 0 to 16: a multi-layer perceptron.",
        tags={"framework": "scikit-learn", "task": "classification"},
        extension={"response": {"outputs": ["probabilities"]}},
        request={"input_data": rows.tolist()},
        answer=model.predict_proba(rows.astype(numpy.float32)),
    )


def onnx_bytes(model, inputs, name):
    """The model as ONNX, checked against scikit-learn's own answers."""
    onnx_model = convert_sklearn(
        model, name=name, initial_types=[("X", FloatTensorType([None, inputs.shape[1]]))],
        options={id(model): {"zipmap": False}}, target_opset=TARGET_OPSET)
    content = onnx_model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs = inputs.astype(numpy.float32)
    numpy.testing.assert_allclose(
        session.run(["probabilities"], {"X": inputs})[0], model.predict_proba(inputs),
        rtol=1e-4, atol=1e-5)
    return content


def table(names, rows):
    return {
        "input_data": {"columns": names, "index": list(range(len(rows))), "data": rows.tolist()}
    }


def write_data(folder, name, columns, rows, predict, file_count):
    """CSV files of all rows, and beside them what the library predicts for what they say."""
    inputs = os.path.join(folder, "data", name)
    expected = os.path.join(folder, "data", "expected")
    os.makedirs(inputs, exist_ok=True)
    os.makedirs(expected, exist_ok=True)
    lines = ["row,prediction,file_name"]
    for index, part in enumerate(numpy.array_split(rows, file_count)):
        file_name = f"rows-{index + 1}.csv"
        text = [",".join(columns)] + [",".join(repr(float(value)) for value in row) for row in part]
        write(os.path.join(inputs, file_name), ("\n".join(text) + "\n").encode())
        lines += [
            f"{row},{float(value)!r},{file_name}" for row, value in enumerate(predict(part))
        ]
    write(os.path.join(expected, f"{name}.csv"), ("\n".join(lines) + "\n").encode())


def write_package(
        folder, name, version, artifact, description, tags, extension, request, answer):
    package = os.path.join(folder, name, str(version))
    os.makedirs(package, exist_ok=True)
    file_name, content = artifact
    manifest = [
        f"$schema: {SCHEMA}", f"name: {name}", f"version: {version}", "type: custom_model",
        f"path: {file_name}", f"description: {json.dumps(description)}", "tags:",
    ] + [f"  {key}: {value}" for key, value in tags.items()]
    if extension:
        manifest.append("swerve:")
        for key, value in extension.items():
            if isinstance(value, list):
                manifest += [f"  {key}:"] + [f"    - {json.dumps(item)}" for item in value]
            else:
                manifest.append(f"  {key}:")
                manifest += [f"    {inner}: {json.dumps(item)}" for inner, item in value.items()]
    # Probabilities leave ONNX as float32: the answer is given in that type too.
    if file_name.endswith(".onnx"):
        answer = answer.astype(numpy.float32)
    write(os.path.join(package, "model.yml"), ("\n".join(manifest) + "\n").encode())
    write(os.path.join(package, file_name), content)
    write(os.path.join(package, "sample-request.json"), json.dumps(request).encode() + b"\n")
    write(
        os.path.join(package, "sample-response.json"),
        json.dumps(answer.tolist()).encode() + b"\n")


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def differences(made, committed):
    found = False
    for folder, _, files in os.walk(made):
        for name in files:
            new = os.path.join(folder, name)
            old = os.path.join(committed, os.path.relpath(new, made))
            if not os.path.exists(old) or not filecmp.cmp(new, old, shallow=False):
                print(f"{os.path.relpath(old, committed)} differs")
                found = True
    return found


if __name__ == "__main__":
    main()
