"""The networks of loadtest/engines, and ONNX Runtime beside them. `engine_turns.py` says how it is
called.

Dense networks as PyTorch writes them (Gemm with transposed weights) and as scikit-learn does (MatMul
and Add), and the corpus's networks. ONNX Runtime has one thread and its usual optimizations; its inputs
and outputs are bound, and its `run` is called without the Python wrapper around it.
"""

import json
import os
import pathlib
import sys

import numpy

import engine_turns

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = pathlib.Path(os.environ.get("SWERVE_SHARED", ROOT.parent / "shared")) / "corpus"
INPUT_ROWS = 512
# Different rows that calls take in turn.
MOST_BLOCKS = 64
DENSE = {"784-256-128-10": [784, 256, 128, 10], "512-2048-2048-512": [512, 2048, 2048, 512]}
FROM_CORPUS = {
    "torch_cnn": [1, 8, 64],
    "torch_attention": [1, 8, 64],
    "sklearn_mlp": [1, 8, 64],
    "public_surrogate_mlp": [1, 8, 64],
    "public_text_direction": [1, 8],
    "public_basic_pitch": [1],
}


# ---------------------------------------------------------------- models


def dense(path, sizes, is_gemm):
    """Layers with ReLU between them; the same bytes at every run."""
    import onnx
    from onnx import helper, numpy_helper

    random = numpy.random.Generator(numpy.random.PCG64(7))
    nodes, weights, value = [], [], "input"
    for layer, (inner, columns) in enumerate(zip(sizes, sizes[1:])):
        matrix = random.normal(0, inner**-0.5, (inner, columns)).astype(numpy.float32)
        bias = random.normal(0, 0.1, columns).astype(numpy.float32)
        matrix = numpy.ascontiguousarray(matrix.T) if is_gemm else matrix
        weights.append(numpy_helper.from_array(matrix, f"weights{layer}"))
        weights.append(numpy_helper.from_array(bias, f"bias{layer}"))
        if is_gemm:
            inputs = [value, f"weights{layer}", f"bias{layer}"]
            nodes.append(helper.make_node("Gemm", inputs, [f"sum{layer}"], transB=1))
        else:
            product = f"product{layer}"
            nodes.append(helper.make_node("MatMul", [value, f"weights{layer}"], [product]))
            nodes.append(helper.make_node("Add", [product, f"bias{layer}"], [f"sum{layer}"]))
        value = f"sum{layer}"
        if layer < len(sizes) - 2:
            nodes.append(helper.make_node("Relu", [value], [f"layer{layer}"]))
            value = f"layer{layer}"
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "dense", [helper.make_tensor_value_info("input", float32, ["batch", sizes[0]])],
        [helper.make_tensor_value_info(value, float32, ["batch", sizes[-1]])], weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())


def make(folder):
    cases = []
    for name, sizes in DENSE.items():
        random = numpy.random.Generator(numpy.random.PCG64(8))
        rows = folder / f"dense-{name}.npy"
        numpy.save(rows, random.normal(0, 1, (INPUT_ROWS, sizes[0])).astype(numpy.float32))
        for word in ("Gemm", "MatMul"):
            path = folder / f"dense-{name}-{word}.onnx"
            if not path.exists():
                dense(path, sizes, word == "Gemm")
            cases.append({
                "name": f"MLP {name}, {word}", "model": str(path), "input": str(rows),
                "peers": ["onnxruntime"], "library": None, "rows": [1, 8, 64, 256],
            })
    if not (CORPUS / "manifest.json").exists():
        print(f"{CORPUS} has no corpus: SWERVE_SHARED says where it is", file=sys.stderr)
        return cases
    manifest = json.loads((CORPUS / "manifest.json").read_text())
    known = {model["name"]: model for model in manifest["models"]}
    for name, sizes in FROM_CORPUS.items():
        inputs = {}
        for described in known[name]["inputs"]:
            values = numpy.load(CORPUS / name / described["file"])
            path = folder / f"{name}-{described['file']}"
            # The corpus's few rows again and again.
            numpy.save(path, numpy.resize(values, (4 * sizes[-1], *values.shape[1:])))
            inputs[described["name"]] = str(path)
        cases.append({
            "name": name, "model": str(CORPUS / name / known[name]["model"]), "input": inputs,
            "peers": ["onnxruntime"], "library": None, "rows": sizes,
        })
    return cases


# ---------------------------------------------------------------- the peer


def serve(case, output):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    session = onnxruntime.InferenceSession(
        case["model"], options, providers=["CPUExecutionProvider"]
    )
    files = case["input"]
    if isinstance(files, str):
        files = {session.get_inputs()[0].name: files}
    inputs = {name: numpy.load(path) for name, path in files.items()}
    count = len(next(iter(inputs.values())))
    # As ours: the first output that is a tensor.
    numpy.save(output, session.run(None, inputs)[0])

    def prepare(rows):
        bound, kept = [], []
        for first in range(0, count - rows + 1, rows)[:MOST_BLOCKS]:
            binding = session.io_binding()
            for name, values in inputs.items():
                part = numpy.ascontiguousarray(values[first : first + rows])
                binding.bind_cpu_input(name, part)
                kept.append((binding, part))
            for described in session.get_outputs():
                binding.bind_output(described.name, "cpu")
            bound.append(binding._iobinding)
        score = session._sess.run_with_iobinding
        place = 0

        def run(calls, kept=kept):
            nonlocal place
            for _ in range(calls):
                score(bound[place], None)
                place = place + 1 if place + 1 < len(bound) else 0

        return run

    engine_turns.serve(prepare, {"version": onnxruntime.__version__})


if __name__ == "__main__":
    if sys.argv[1] == "make":
        print(json.dumps(make(pathlib.Path(sys.argv[2]))))
    else:
        serve(json.loads(sys.argv[3]), sys.argv[4])
