"""Which element types of each operator Swerve answers, and whether as ONNX Runtime does.

    make onnx-survey                          # everything, in the venv of make onnx-backend
    python survey.py --scorer PATH [--only Conv,MaxPool] [--verbose]

For every operator of Sources/SUPPORT.md, every version of it since operator set 7 and every
element type that its definition in `onnx.defs` allows, small models of one node are made
(survey_cases.py), answered by ONNX Runtime's CPU provider, with its optimizations and without, and
by `onnx-score` (Score/).

agrees    both answer, and alike: integers and strings exactly, floats within a tolerance of their
          type. `exactly` counts those of them with the same bits
differs   both answer, and not alike: a failure
crashed   a trap, a signal or no answer within the time limit: a failure
gap       ONNX Runtime answers and we refuse, or fail: a failure unless known_gaps.json has it
beyond    we answer and ONNX Runtime does not

`known_gaps.json` has each gap that is known, with the reason. It may only shrink: an entry that is
no gap any more is a failure, too, until it is taken out.
"""

import argparse
import collections
import ctypes
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")

import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnx.defs  # noqa: E402
import onnxruntime as ort  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

import survey_cases  # noqa: E402
from run import Scorer, read_tensor, write_tensor  # noqa: E402
from survey_types import (  # noqa: E402
    BITS, DTYPES, cast, constant, dtype, element_types, name_of, onnx_type)

HERE = os.path.dirname(os.path.abspath(__file__))
# What inputs are when another type parameter is the one that changes, in order of choice.
USUAL = ["float32", "int64", "bool", "uint8", "string", "int32"]
# Beyond so many combinations of types, one parameter changes at a time.
MAX_COMBINATIONS = 450
TOLERANCES = {"float32": (1e-5, 1e-6), "float64": (1e-9, 1e-12), "float16": (2e-3, 1e-3),
              "bfloat16": (2e-2, 1e-2)}


class Case:
    """One model of one node, and its inputs."""

    def __init__(self, schema, recipe, types):
        self.schema, self.recipe, self.types = schema, recipe, types
        self.domain = schema.domain
        self.opset = max(schema.since_version, 7) if not self.domain else schema.since_version
        self.arrays = []
        self.names = []
        for index, template in enumerate(recipe.inputs):
            if template is None:
                self.names.append("")
                self.arrays.append(None)
                continue
            formal = schema.inputs[min(index, len(schema.inputs) - 1)]
            self.names.append(f"x{index}")
            self.arrays.append(cast(template, self.type_of(formal.type_str)))

    def type_of(self, text):
        """Of a formal input or output, that has a type parameter or says its type itself."""
        return self.types.get(text) or element_types([text])[0]

    def is_constant(self, index):
        # Text is given in a way that takes back only what numpy has a type for.
        is_hidden = self.arrays[index].dtype == object and any(
            kind != "string" and not hasattr(np, kind) for kind in self.types.values())
        return (index in self.recipe.constant or is_hidden
                or self.arrays[index].dtype.name in BITS)

    @property
    def given(self):
        return [index for index, array in enumerate(self.arrays)
                if array is not None and not self.is_constant(index)]

    def label(self):
        """The version left out: what is a gap is one in most versions."""
        types = " ".join(f"{key}={value}" for key, value in sorted(self.types.items()))
        return " ".join(filter(None, [self.schema.name, types, self.recipe.label]))

    def model(self):
        schema, recipe = self.schema, self.recipe
        attributes = {key: value(self) if callable(value) else value
                      for key, value in recipe.attributes.items()}
        outputs = []
        for index in range(recipe.outputs):
            formal = schema.outputs[min(index, len(schema.outputs) - 1)]
            kind = recipe.output_types[index] if recipe.output_types else self.type_of(
                formal.type_str)
            if kind == "maps":
                outputs.append(onnx.ValueInfoProto(name=f"y{index}"))
                continue
            outputs.append(
                helper.make_tensor_value_info(f"y{index}", onnx_type(kind), None))
        node = helper.make_node(
            schema.name, self.names, [value.name for value in outputs], "node",
            domain=self.domain, **attributes)
        graph = helper.make_graph(
            [node], "survey",
            [helper.make_tensor_value_info(
                self.names[index], onnx_type(name_of(self.arrays[index])),
                self.arrays[index].shape) for index in self.given],
            outputs,
            [constant(self.arrays[index], self.names[index])
             for index in range(len(self.arrays))
             if self.arrays[index] is not None and self.is_constant(index)])
        imports = [helper.make_opsetid("", self.opset if not self.domain else 17)]
        if self.domain:
            imports.append(helper.make_opsetid(self.domain, self.opset))
        version = helper.find_min_ir_version_for(imports, ignore_unknown=True)
        return helper.make_model(
            graph, opset_imports=imports, ir_version=max(8, version)).SerializeToString()


def assignments(schema, recipe):
    """The types of each type parameter that a recipe's inputs and outputs name."""
    allowed = {item.type_param_str: element_types(item.allowed_type_strs)
               for item in schema.type_constraints}
    used = []
    for formals, present in ((schema.inputs, [value is not None for value in recipe.inputs]),
                             (schema.outputs, [True] * recipe.outputs)):
        for index, is_there in enumerate(present):
            name = formals[min(index, len(formals) - 1)].type_str
            if is_there and name in allowed and name not in used:
                used.append(name)
    choices = []
    for name in used:
        wanted = recipe.types.get(name)
        choices.append([kind for kind in allowed[name] if wanted is None or kind in wanted])
    if not all(choices):
        return []
    total = 1
    for kinds in choices:
        total *= len(kinds)
    if total <= MAX_COMBINATIONS:
        rows = list(itertools.product(*choices))
    else:
        usual = [next((kind for kind in USUAL if kind in kinds), kinds[0]) for kinds in choices]
        rows = [tuple(usual)]
        for place, kinds in enumerate(choices):
            for kind in kinds:
                row = (*usual[:place], kind, *usual[place + 1:])
                if row not in rows:
                    rows.append(row)
    return [dict(zip(used, row)) for row in rows]


def newest_opset():
    """The newest operator set that ONNX Runtime takes."""
    for opset in range(onnx.defs.onnx_opset_version(), 7, -1):
        graph = helper.make_graph(
            [helper.make_node("Abs", ["x"], ["y"])], "newest",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        try:
            ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            return opset
        except Exception:
            continue
    return 7


def cases(only):
    """Every case: operator by operator, version by version."""
    with open(os.path.join(HERE, "../../Sources/SUPPORT.md")) as file:
        names = re.findall(r"^\| (\w+) \| [\d, ]+ \|", file.read(), re.M)
    schemas = collections.defaultdict(list)
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain in ("", "ai.onnx.ml") and not schema.deprecated:
            schemas[schema.name].append(schema)
    newest = newest_opset()
    for name in names:
        if only and name not in only:
            continue
        history = sorted(schemas[name], key=lambda schema: schema.since_version)
        for schema, after in itertools.zip_longest(history, history[1:]):
            if not schema.domain and after is not None and after.since_version <= 7:
                continue
            if not schema.domain and schema.since_version > newest:
                continue
            recipes = survey_cases.recipes(name, schema.since_version)
            for recipe in recipes:
                for types in assignments(schema, recipe):
                    yield Case(schema, recipe, types)


# What ONNX Runtime answers.


def ort_value(array):
    if array.dtype.name.startswith(("bfloat16", "float8")):
        raw = array.view(np.uint16 if array.itemsize == 2 else np.uint8)
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(raw, onnx_type(name_of(array)))
    return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))


def array_of(value):
    """An answer as numpy has it, those of types that ONNX Runtime's own cast does not know too."""
    kind = value.data_type()
    match = re.fullmatch(r"tensor\((\w+)\)", kind)
    name = DTYPES.get(match[1], match[1]) if match else ""
    if name in ("bool", "string") or not match or hasattr(np, name):
        return value.numpy()
    shape = value.shape()
    count = int(np.prod(shape))
    if name in BITS:
        bits = BITS[name]
        each = 8 // bits
        data = np.frombuffer(ctypes.string_at(value.data_ptr(), -(-count // each)), np.uint8)
        parts = [(data >> (bits * part)) & (2**bits - 1) for part in range(each)]
        codes = np.stack(parts, 1).reshape(-1)[:count].astype(np.int64)
        if name.startswith("int"):
            codes = np.where(codes >= 2 ** (bits - 1), codes - 2**bits, codes)
        return codes.astype(dtype(name)).reshape(shape)
    data = ctypes.string_at(value.data_ptr(), count * dtype(name).itemsize)
    return np.frombuffer(data, dtype(name)).reshape(shape)


def runtime_answer(model, case, level):
    """A list of arrays, or why there is none."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = level
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        given = {case.names[index]: case.arrays[index] for index in case.given}
        # A value of its own is made of numbers alone, and a list of maps is none.
        if "maps" in case.recipe.output_types:
            return [np.array([list(row.values()) for row in answer])
                    for answer in session.run(None, given)]
        if any(array.dtype == object for array in given.values()):
            return session.run(None, given)
        values = session.run_with_ort_values(
            None, {name: ort_value(array) for name, array in given.items()})
        return [array_of(value) for value in values]
    except Exception as error:
        return str(error)


# What we answer.


def our_answer(model, case, scorer, work):
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    with open(f"{work}/model.onnx", "wb") as file:
        file.write(model)
    for place, index in enumerate(case.given):
        write_tensor(case.arrays[index], f"{work}/in.{place}")
    status, reason = scorer.score(work)
    if status != "ok":
        return status, reason
    return status, [read_tensor(f"{work}/out.{index}") for index in range(case.recipe.outputs)]


def difference(ours, theirs, tolerance):
    """None for the same bits, "" for nearly the same, or how they differ."""
    nearly = None
    for index, (left, right) in enumerate(zip(ours, theirs)):
        if list(left.shape) != list(right.shape):
            return f"output {index} has shape {list(left.shape)}, not {list(right.shape)}"
        if name_of(left) == "string" or name_of(right) == "string":
            if [str(item) for item in left.reshape(-1)] != [
                    str(item) for item in right.reshape(-1)]:
                return f"output {index} is {left.reshape(-1)[:4]}, not {right.reshape(-1)[:4]}"
            continue
        if left.dtype != right.dtype:
            return f"output {index} is of {left.dtype}, not {right.dtype}"
        if np.ascontiguousarray(left).tobytes() == np.ascontiguousarray(right).tobytes():
            continue
        nearly = ""
        wide, wanted = left.astype(np.float64), right.astype(np.float64)
        relative, absolute = tolerance or TOLERANCES.get(left.dtype.name, (0, 0))
        if left.dtype.kind in "iub":
            relative = absolute = 0
        if not np.allclose(wide, wanted, rtol=relative, atol=absolute, equal_nan=True):
            with np.errstate(all="ignore"):
                near = np.isclose(wide, wanted, rtol=relative, atol=absolute, equal_nan=True)
            places = np.flatnonzero(~near.reshape(-1))[:4]
            return (f"output {index} at {places} is {left.reshape(-1)[places]}, "
                    f"not {right.reshape(-1)[places]}")
    return nearly


def survey(case, scorer, work):
    """The case's status, and what is to be said of it."""
    try:
        model = case.model()
    except (TypeError, ValueError) as error:
        return "unmade", str(error)
    levels = ort.GraphOptimizationLevel
    theirs = [runtime_answer(model, case, levels.ORT_ENABLE_ALL),
              runtime_answer(model, case, levels.ORT_DISABLE_ALL)]
    answers = [answer for answer in theirs if not isinstance(answer, str)]
    status, ours = our_answer(model, case, scorer, work)
    if status == "crashed":
        return "crashed", ours
    if not answers:
        return ("beyond" if status == "ok" else "neither"), theirs[0]
    if status != "ok":
        return "gap", f"{status}: {ours}"
    said = [difference(ours, answer, case.recipe.tolerance) for answer in answers]
    if None in said:
        return "exactly", ""
    return ("agrees", "") if "" in said else ("differs", said[0])


def read_known(path):
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return {gap: entry["reason"] for entry in json.load(file) for gap in entry["gaps"]}


def record(path, lines, summary, gaps, reasons, beyond):
    versions = {"onnx": onnx.__version__, "onnxruntime": ort.__version__, "numpy": np.__version__}
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    with open(path, "w") as file:
        file.write(
            "# Which element types are answered\n\n"
            f"Made by `survey.py --record` on {time.strftime('%Y-%m-%d')} with {said}. "
            "`survey.py` says what each word means; a case is an operator, one of its versions, "
            "its element types and a set of attributes.\n\n"
            f"{summary}\n\n```\n" + "\n".join(lines) + "\n```\n\n## Gaps\n\n")
        if not gaps:
            file.write("None.\n")
        by_reason = collections.defaultdict(list)
        for label, found in gaps.items():
            by_reason[reasons.get(label, "Not known.")].append((label, found))
        for reason, entries in by_reason.items():
            file.write(f"{reason}\n\n")
            for label, found in entries:
                numbers = ", ".join(map(str, sorted(version for version, _ in found)))
                file.write(f"- `{label}` in {numbers}\n")
            file.write("\n")
        file.write("## Answered beyond ONNX Runtime\n\n")
        for name, kinds in sorted(beyond.items()):
            file.write(f"- {name}: {', '.join(sorted(kinds))}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scorer", required=True, help="the onnx-score executable")
    parser.add_argument("--only", default="", help="these operators alone: A,B")
    parser.add_argument("--verbose", action="store_true", help="a line for each gap as it is found")
    parser.add_argument("--record", metavar="FOLDER", help="write SURVEY.md there; of all only")
    parser.add_argument("--known", default=os.path.join(HERE, "known_gaps.json"))
    arguments = parser.parse_args()
    if arguments.record and arguments.only:
        parser.error("--record is of all operators: the record is replaced as a whole")
    ort.set_default_logger_severity(4)
    only = set(filter(None, arguments.only.split(",")))
    known = read_known(arguments.known)
    scorer = Scorer(arguments.scorer)
    work = tempfile.mkdtemp(prefix="swerve-onnx-survey-")
    started = time.monotonic()

    table = collections.defaultdict(collections.Counter)
    gaps, bad, beyond = {}, [], collections.defaultdict(set)
    seen = set()
    for case in cases(only):
        name, version = case.schema.name, case.schema.since_version
        status, reason = survey(case, scorer, os.path.join(work, "case"))
        seen.add(name)
        table[name]["cases"] += 1
        table[name][status] += 1
        if status == "exactly":
            table[name]["agrees"] += 1
        if status == "gap":
            gaps.setdefault(case.label(), []).append((version, reason))
            if arguments.verbose:
                print(f"gap {case.label()} in {version}: {reason}", flush=True)
        elif status == "beyond":
            beyond[name].add(" ".join(f"{key}={value}" for key, value in case.types.items()))
        elif status in ("differs", "crashed", "unmade"):
            bad.append(f"{status} {case.label()} in {version}: {reason}")
            print(bad[-1], flush=True)
        elif status == "neither" and arguments.verbose:
            print(f"neither {case.label()} in {version}: {reason[:200]}", flush=True)
    shutil.rmtree(work, ignore_errors=True)

    columns = ["cases", "agrees", "exactly", "differs", "crashed", "gap", "beyond", "neither"]
    lines = [f"{'operator':28}" + "".join(f"{column:>9}" for column in columns)]
    total = collections.Counter()
    for name in sorted(table):
        total.update(table[name])
        lines.append(f"{name:28}" + "".join(f"{table[name][column]:>9}" for column in columns))
    lines.append(f"{'all':28}" + "".join(f"{total[column]:>9}" for column in columns))
    unsurveyed = [name for name in sorted(table)
                  if not (table[name]["agrees"] or table[name]["gap"])]
    new = [label for label in gaps if label not in known]
    stale = [label for label in known if label.split(" ")[0] in seen and label not in gaps]
    both = total["agrees"] + total["differs"] + total["crashed"]
    summary = (
        f"{both + total['gap']} cases are answered by ONNX Runtime: {total['agrees']} alike "
        f"({total['exactly']} with the same bits), {total['differs']} not, {total['crashed']} "
        f"crashed, {total['gap']} not at all: {len(gaps)} gaps, {len(gaps) - len(new)} of them "
        f"known. {total['beyond']} cases are answered by us alone.")
    print("\n".join(lines))
    for label in new:
        print(f"new gap: {label} in {[version for version, _ in gaps[label]]}: "
              f"{gaps[label][0][1]}")
    for label in stale:
        print(f"no gap any more, take it out of {os.path.basename(arguments.known)}: {label}")
    for name in unsurveyed:
        print(f"no case of {name} is answered by ONNX Runtime")
    print(f"{summary} {time.monotonic() - started:.0f} s")
    if arguments.record:
        record(os.path.join(arguments.record, "SURVEY.md"), lines, summary, gaps, known, beyond)
    sys.exit(1 if bad or new or stale else 0)


if __name__ == "__main__":
    main()
