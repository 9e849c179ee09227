"""How many of onnx's own backend cases Swerve answers, beside ONNX Runtime.

    make onnx-backend                        # everything, in a venv of its own
    python run.py --scorer PATH [--only Conv,MaxPool] [--verbose]

The cases are those of the public `onnx` package: every node case, `simple`, `pytorch-*` and the
zoo models of `light`. Each is loaded and run by `onnx-score` (Score/), and compared as onnx's own
runner does: rtol 1e-3, atol 1e-7 unless the case says otherwise, integers and strings exactly.

passed   the answer is the expected one
runtime  an answer that is not, but that of ONNX Runtime, whose answers are ours
wrong    an answer that is neither: a failure
crashed  a trap, a signal or no answer within the time limit: a failure
refused  the model does not load, and the reason names what is missing
failed   the model loads and its run ends in an error
unloaded cases that ONNX Runtime itself does not load, whatever we do; they are left out of the
         percentages
"""

import argparse
import collections
import json
import os
import pickle
import select
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")

import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from onnx.backend.test import loader  # noqa: E402

GROUPS = {
    1: "LinearRegressor TreeEnsembleRegressor TreeEnsembleClassifier TreeEnsemble Identity "
    "LinearClassifier Scaler Cast Normalizer ZipMap",
    2: "SVMClassifier SVMRegressor Concat Sign ArrayFeatureExtractor Mul",
    3: "Add Sub ArgMax ArgMin Exp Log MatMul ReduceLogSumExp Reshape",
    4: "ReduceMean ReduceSum ReduceSumSquare ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 "
    "Relu Softmax LogSoftmax Sigmoid Tanh Imputer OneHotEncoder LabelEncoder Binarizer Gemm "
    "Sqrt Div Pow Abs Neg LpNormalization FeatureVectorizer",
    5: "Slice Transpose Flatten Equal Less Greater LessOrEqual GreaterOrEqual Not And Or Where "
    "TopK Sum Max Min Gather Shape ConstantOfShape Squeeze Unsqueeze Expand Constant Split Range "
    "Size Reciprocal Tile",
    6: "Conv MaxPool AveragePool GlobalAveragePool GlobalMaxPool LRN Dropout BatchNormalization "
    "Clip HardSigmoid HardSwish LeakyRelu PRelu Elu Selu Softplus Pad Erf Gelu "
    "LayerNormalization InstanceNormalization Mod Floor Ceil Round",
    7: "If Loop Scan LSTM GRU RNN ConvTranspose Resize CumSum GatherElements GatherND ScatterND "
    "IsNaN IsInf StringNormalizer TfIdfVectorizer StringConcat StringSplit RegexFullMatch",
    8: "QuantizeLinear DequantizeLinear DynamicQuantizeLinear MatMulInteger ConvInteger "
    "QLinearMatMul QLinearConv",
}
ALL_KINDS = "node,simple,pytorch-operator,pytorch-converted,real"
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names.split()}
OTHER = 9
TIME_LIMIT = 60

# An element of less than a byte lies in one of its own.
SMALL = {"int4": np.int8, "int2": np.int8, "uint4": np.uint8, "uint2": np.uint8}


def type_name(array):
    if array.dtype == object or array.dtype.kind in "US":
        return "string"
    return array.dtype.name


def write_tensor(array, path):
    array = np.asarray(array)
    with open(path, "wb") as file:
        name = type_name(array)
        file.write(f"{name} {','.join(map(str, array.shape))}\n".encode())
        if name == "string":
            for item in array.reshape(-1):
                text = item if isinstance(item, bytes) else str(item).encode()
                file.write(len(text).to_bytes(4, "little") + text)
        else:
            file.write(np.ascontiguousarray(array, dtype=SMALL.get(name)).tobytes())


def read_tensor(path):
    with open(path, "rb") as file:
        name, dimensions = file.readline().decode().rstrip("\n").split(" ")
        data = file.read()
    shape = [int(size) for size in dimensions.split(",") if size]
    if name == "string":
        items, place = [], 0
        while place < len(data):
            length = int.from_bytes(data[place : place + 4], "little")
            items.append(data[place + 4 : place + 4 + length].decode())
            place += 4 + length
        return np.array(items, dtype=object).reshape(shape)
    kind = getattr(ml_dtypes, name, name)
    return np.frombuffer(data, dtype=SMALL.get(name, kind)).reshape(shape).astype(kind)


class Scorer:
    """One `onnx-score` process, started again after a crash."""

    def __init__(self, path):
        self.path = path
        self.process = None

    def score(self, folder):
        if self.process is None:
            self.process = subprocess.Popen(
                [self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, bufsize=1)
        self.process.stdin.write(folder + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], TIME_LIMIT)
        line = self.process.stdout.readline() if ready else ""
        if line:
            status, _, reason = line.rstrip("\n").partition("\t")
            return status, reason
        self.process.kill()
        errors = self.process.communicate()[1]
        reason = f"no answer in {TIME_LIMIT} s" if not ready else errors.strip()[:400]
        self.process = None
        return "crashed", reason


class Case:
    def __init__(self, kind, test):
        self.kind = kind
        self.name = test.name
        self.rtol, self.atol = test.rtol, test.atol
        self.test = test
        if test.model is not None:
            self.model = test.model
            self.bytes = self.model.SerializeToString()
        else:
            if test.url:
                root = os.path.dirname(os.path.dirname(onnx.__file__))
                path = os.path.join(root, test.url)
            else:
                path = os.path.join(test.model_dir, "model.onnx")
            with open(path, "rb") as file:
                self.bytes = file.read()
            self.model = onnx.load_from_string(self.bytes)
            self.path = path
        self.operators = sorted(operators(self.model))

    def data_sets(self):
        """Pairs of input and output lists, by position among the inputs without initializer."""
        if self.test.data_sets is not None:
            return [(list(map(as_array, inputs)), list(map(as_array, outputs)))
                    for inputs, outputs in self.test.data_sets]
        if self.test.url:
            return [light_data(self.model, self.name, self.path)]
        sets = []
        number = 0
        while os.path.isdir(folder := f"{self.test.model_dir}/test_data_set_{number}"):
            sets.append((read_set(folder, "input", self.model.graph.input),
                         read_set(folder, "output", self.model.graph.output)))
            number += 1
        return sets

    def free_inputs(self):
        given = {item.name for item in self.model.graph.initializer}
        return [(index, value) for index, value in enumerate(self.model.graph.input)
                if value.name not in given]


def as_array(value):
    """Some cases give messages where others give arrays."""
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def operators(model):
    """Every operator a model uses, those of its own functions in their place."""
    own = {(function.domain, function.name) for function in model.functions}
    found = set()

    def walk(nodes):
        for node in nodes:
            if (node.domain, node.op_type) not in own:
                found.add(node.op_type)
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    walk(attribute.g.node)

    walk(model.graph.node)
    for function in model.functions:
        walk(function.node)
    return found


def read_set(folder, kind, infos):
    values = []
    for index, info in enumerate(infos):
        path = f"{folder}/{kind}_{index}.pb"
        if not os.path.exists(path):
            break
        with open(path, "rb") as file:
            data = file.read()
        if info.type.HasField("sequence_type"):
            sequence = onnx.SequenceProto.FromString(data)
            values.append(numpy_helper.to_list(sequence))
        elif info.type.HasField("optional_type"):
            values.append(numpy_helper.to_optional(onnx.OptionalProto.FromString(data)))
        else:
            values.append(numpy_helper.to_array(onnx.TensorProto.FromString(data)))
    return values


def light_data(model, name, path):
    from onnx.backend.test.runner import Runner

    given = {item.name for item in model.graph.initializer}
    inputs = [Runner.generate_dummy_data(value, seed=0, name=name, random=False)
              for value in model.graph.input if value.name not in given]
    with open(path.replace(".onnx", "_output_0.pb"), "rb") as file:
        return inputs, [numpy_helper.to_array(onnx.TensorProto.FromString(file.read()))]


def same(got, want, rtol, atol):
    """None, or how the two differ."""
    if not isinstance(want, np.ndarray) and not np.isscalar(want):
        return f"a {type(want).__name__} is expected"
    want = np.asarray(want)
    if list(got.shape) != list(want.shape):
        return f"shape {list(got.shape)}, not {list(want.shape)}"
    if type_name(got) == "string" or type_name(want) == "string":
        left = [str(item) for item in got.reshape(-1)]
        right = [item.decode() if isinstance(item, bytes) else str(item)
                 for item in want.reshape(-1)]
        return None if left == right else f"strings {left[:5]}, not {right[:5]}"
    if got.dtype != want.dtype:
        return f"type {got.dtype}, not {want.dtype}"
    if got.dtype.kind in "iub":
        if np.array_equal(got, want):
            return None
        return f"{got.reshape(-1)[:6]}, not {want.reshape(-1)[:6]}"
    left, right = got.astype(np.float64), want.astype(np.float64)
    if np.allclose(left, right, rtol=rtol, atol=atol, equal_nan=True):
        return None
    return f"{left.reshape(-1)[:6]}, not {right.reshape(-1)[:6]}"


def score_case(case, scorer, work):
    differs = ""
    for inputs, outputs in case.data_sets():
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        with open(f"{work}/model.onnx", "wb") as file:
            file.write(case.bytes)
        for (index, _), value in zip(case.free_inputs(), inputs):
            if isinstance(value, (np.ndarray, np.generic, float, int)):
                write_tensor(value, f"{work}/in.{index}")
        status, reason = scorer.score(work)
        if status != "ok":
            return status, reason
        for index, want in enumerate(outputs):
            if not os.path.exists(f"{work}/out.{index}"):
                return "wrong", f"output {index} is missing"
            difference = same(read_tensor(f"{work}/out.{index}"), want, case.rtol, case.atol)
            if difference:
                differs = f"output {index}: {difference}"
                break
        if differs and not is_runtimes(case, inputs, work):
            return "wrong", differs
    return ("runtime" if differs else "passed"), differs


def is_runtimes(case, inputs, work):
    """Whether what we have answered is what ONNX Runtime answers."""
    try:
        names = [value.name for _, value in case.free_inputs()]
        answers = runtime_session(case).run(None, dict(zip(names, inputs)))
    except Exception:
        return False
    for index, want in enumerate(answers):
        want = np.asarray(want)
        relative, absolute = (2e-3, 1e-3) if want.dtype == np.float16 else (1e-5, 1e-6)
        if same(read_tensor(f"{work}/out.{index}"), want, relative, absolute):
            return False
    return True


def runtime_session(case):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(case.bytes, options, providers=["CPUExecutionProvider"])


def runtime_case(case):
    """What ONNX Runtime makes of the case: unloaded, failed, wrong or passed."""
    try:
        session = runtime_session(case)
    except Exception:
        return "unloaded"
    try:
        for inputs, outputs in case.data_sets():
            names = [value.name for _, value in case.free_inputs()]
            answers = session.run(None, dict(zip(names, inputs)))
            for got, want in zip(answers, outputs):
                if not isinstance(want, (list, dict)) and same(
                        np.asarray(got), want, case.rtol, case.atol):
                    return "wrong"
    except Exception:
        return "failed"
    return "passed"


def runtime_results(cases, path):
    """ONNX Runtime's results, kept between runs: it takes most of the time."""
    import onnxruntime

    known = {}
    path = f"{path}.{onnx.__version__}.onnxruntime-{onnxruntime.__version__}"
    if os.path.exists(path):
        with open(path) as file:
            known = json.load(file)
    missing = [case for case in cases if case.name not in known]
    for case in missing:
        known[case.name] = runtime_case(case)
    if missing:
        with open(path, "w") as file:
            json.dump(known, file)
    return known


def load_cases(kinds):
    cases = []
    for kind in kinds:
        for test in loader.load_model_tests(kind=kind):
            try:
                cases.append(Case(kind, test))
            except FileNotFoundError as error:
                print(f"skipped {test.name}: {error}", file=sys.stderr)
    return cases


def cached_cases(kinds, path):
    """The cases; generating them takes half a minute, so they are kept between runs."""
    path = f"{path}.{onnx.__version__}.{kinds}.cases"
    if os.path.exists(path):
        with open(path, "rb") as file:
            return pickle.load(file)
    cases = load_cases(kinds.split(","))
    with open(path + ".new", "wb") as file:
        pickle.dump(cases, file)
    os.replace(path + ".new", path)
    return cases


def operator_label(case, by_name):
    """The operator a case is about."""
    if case.kind == "real":
        return "(light) " + case.name.removeprefix("test_")
    if case.kind != "node":
        return f"({case.kind})"
    if len(case.operators) == 1:
        return case.operators[0]
    base = case.name.split("_expanded")[0]
    if base in by_name and len(by_name[base].operators) == 1:
        return by_name[base].operators[0]
    return max(case.operators, key=lambda name: (GROUP_OF.get(name, OTHER), name))


def record(folder, kinds, lines, tables, unanswered, against):
    """The tables for people, and all of it for programs."""
    import onnxruntime

    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__,
                "numpy": np.__version__}
    date = time.strftime("%Y-%m-%d")
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    wanted = [case for case in unanswered if case["group"] <= 7]
    with open(f"{folder}/RESULTS.md", "w") as file:
        file.write(
            "# What the backend cases of onnx show\n\n"
            f"Made by `run.py --record` on {date} with {said}; kinds {kinds}. `run.py` says what "
            "each word means. `results.json` has every case that is not answered, and why.\n\n"
            + "```\n" + "\n".join(lines) + "\n```\n\n"
            "Of groups 1 to 7, these are not answered though ONNX Runtime loads them:\n\n"
            + "".join(f"- `{case['case']}`: {case['status']}, {case['reason']}\n" for case in wanted)
            + "\nThese are answered as ONNX Runtime does, which is not what onnx expects:\n\n"
            + "".join(f"- `{name}`: {reason}\n" for name, reason in against))
    with open(f"{folder}/results.json", "w") as file:
        json.dump({"date": date, "versions": versions, "kinds": kinds,
                   "operators": tables["operator"], "groups": tables["group"],
                   "unanswered": unanswered}, file, indent=1, sort_keys=True)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scorer", required=True, help="the onnx-score executable")
    parser.add_argument("--only", default="", help="cases that use one of these operators: A,B")
    parser.add_argument("--match", default="", help="cases whose name holds this")
    parser.add_argument("--kinds", default=ALL_KINDS)
    parser.add_argument("--verbose", action="store_true", help="a line for each case not passed")
    parser.add_argument("--report", help="write the tables to this file, too")
    parser.add_argument(
        "--record", metavar="FOLDER",
        help="write RESULTS.md and results.json there: what was found, and when; of all cases only")
    parser.add_argument(
        "--cache", default=os.path.join(tempfile.gettempdir(), "swerve-onnx-runtime.json"),
        help="where ONNX Runtime's results are kept between runs")
    arguments = parser.parse_args()
    if arguments.record and (arguments.kinds != ALL_KINDS or arguments.only or arguments.match):
        parser.error("--record is of all cases: the record is replaced as a whole")

    cases = cached_cases(arguments.kinds, arguments.cache)
    by_name = {case.name: case for case in cases}
    only = set(filter(None, arguments.only.split(",")))
    cases = [case for case in cases
             if (not only or only & set(case.operators)) and arguments.match in case.name]
    runtime = runtime_results(cases, arguments.cache)
    scorer = Scorer(arguments.scorer)
    work = tempfile.mkdtemp(prefix="swerve-onnx-backend-")
    started = time.monotonic()

    tables = {"operator": collections.defaultdict(collections.Counter),
              "group": collections.defaultdict(collections.Counter)}
    failures, unanswered, against = [], [], []
    for case in cases:
        status, reason = score_case(case, scorer, os.path.join(work, "case"))
        loads = runtime[case.name] != "unloaded"
        group = max((GROUP_OF.get(name, OTHER) for name in case.operators), default=OTHER)
        for table, key in (("operator", operator_label(case, by_name)), ("group", group)):
            counter = tables[table][key]
            counter["cases"] += 1
            counter["unloaded"] += not loads
            counter[status] += loads
            counter["bonus"] += not loads and status == "passed"
        if loads and status not in ("passed", "runtime"):
            unanswered.append({"case": case.name, "group": group, "status": status,
                               "runtime": runtime[case.name], "reason": reason})
        if status == "runtime":
            against.append((case.name, reason))
        bad = status in ("wrong", "crashed")
        if bad:
            failures.append((case.name, status, reason))
        if status != "passed" and (bad or (arguments.verbose and loads)):
            print(f"{status:8} {case.name} [ONNX Runtime: {runtime[case.name]}] {reason}")
    shutil.rmtree(work, ignore_errors=True)

    lines = []
    columns = ["cases", "unloaded", "passed", "runtime", "wrong", "crashed", "failed", "refused"]

    def row(label, counter):
        lines.append(f"{label:34}" + "".join(f"{counter[column]:>9}" for column in columns))

    lines.append(f"{'operator':34}" + "".join(f"{column:>9}" for column in columns))
    for label in sorted(tables["operator"]):
        row(label, tables["operator"][label])
    lines.append("")
    lines.append(f"{'operators of the case up to group':34}"
                 + "".join(f"{column:>9}" for column in columns))
    total, wanted = collections.Counter(), collections.Counter()
    for group in sorted(tables["group"]):
        counter = tables["group"][group]
        row("other" if group == OTHER else str(group), counter)
        total.update(counter)
        if group <= 7:
            wanted.update(counter)
    row("all", total)
    row("groups 1 to 7", wanted)
    loaded = wanted["cases"] - wanted["unloaded"]
    all_loaded = total["cases"] - total["unloaded"]
    if loaded:
        lines.append(f"groups 1 to 7: {wanted['passed']} of {loaded} that ONNX Runtime loads pass, "
                     f"{100 * wanted['passed'] / loaded:.1f} %")
    lines.append(f"all: {total['passed']} of {all_loaded} pass; {total['bonus']} pass that ONNX "
                 f"Runtime does not load; {total['runtime']} are ONNX Runtime's own answers against "
                 f"onnx's; {len(failures)} wrong or crashed; "
                 f"{time.monotonic() - started:.0f} s")
    print("\n".join(lines))
    if arguments.report:
        with open(arguments.report, "w") as file:
            file.write("\n".join(lines) + "\n")
    if arguments.record:
        record(arguments.record, arguments.kinds, lines, tables, unanswered, against)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
