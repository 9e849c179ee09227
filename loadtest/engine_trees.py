"""The tree models of loadtest/engines, and the libraries that run them beside ours.
`engine_turns.py` says how it is called.

Every library runs one thread. Those of C functions for one row are called from C
(`engine_calls.c`), so that Python is not measured; the others get numpy arrays.
"""

import ctypes
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TBB_NUM_THREADS"):
    os.environ[name] = "1"

import numpy

import engine_turns
from batch_rivals import numbers

HERE = pathlib.Path(__file__).resolve().parent
INPUT_ROWS = 10_000
BLOCKS = [1000]
FEW = [1, 16]
LIGHTGBM = ["lightgbm", "onnxruntime", "onedal", "tl2cgen", "lleaves"]
XGBOOST = ["xgboost", "xgboost-python", "onnxruntime", "onedal", "tl2cgen"]


# ---------------------------------------------------------------- models


def lightgbm_model(folder, name, table, label, trees, **parameters):
    import lightgbm

    path = folder / f"{name}.txt"
    if not path.exists():
        settings = {
            "learning_rate": 0.05, "seed": 1, "deterministic": True, "force_row_wise": True,
            "verbose": -1, "num_threads": 2,
        }
        data = lightgbm.Dataset(table.astype(float), label)
        lightgbm.train(settings | parameters, data, trees).save_model(path)
    return path.name


def xgboost_model(folder, name, table, label, trees, **parameters):
    import xgboost

    path = folder / f"{name}.json"
    if not path.exists():
        data = xgboost.DMatrix(table, label)
        settings = {"seed": 1, "nthread": 2, "tree_method": "hist"} | parameters
        xgboost.train(settings, data, trees).save_model(path)
    return path.name


def forest(folder, name, table, label):
    """scikit-learn's forest in ONNX."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        from skl2onnx import to_onnx
        from sklearn.ensemble import RandomForestClassifier

        model = RandomForestClassifier(100, max_leaf_nodes=1000, random_state=1, n_jobs=2)
        model.fit(table, label)
        options = {id(model): {"zipmap": False}}
        path.write_bytes(to_onnx(model, table[:1], options=options).SerializeToString())
    return path.name


def make(folder):
    random = numpy.random.Generator(numpy.random.PCG64(20261122))
    training, label = numbers(random, 50_000)
    score = training @ random.normal(0, 1, training.shape[1]) + random.normal(0, 1, len(training))
    classes = numpy.digitize(score, numpy.quantile(score, numpy.linspace(0, 1, 11)[1:-1]))
    wide, _ = numbers(random, INPUT_ROWS)
    inputs = {}
    for columns in (28, 15, 4):
        inputs[columns] = f"rows-{columns}.npy"
        numpy.save(folder / inputs[columns], numpy.ascontiguousarray(wide[:, :columns]))

    def case(name, file, columns, peers, library, rows=FEW + BLOCKS):
        return {
            "name": name, "model": str(folder / file), "input": str(folder / inputs[columns]),
            "peers": peers, "library": library, "rows": rows,
        }

    cases = [
        case(
            "LightGBM 500 × 31",
            lightgbm_model(
                folder, "lgb-500", training, label, 500, objective="binary", num_leaves=31
            ),
            28, LIGHTGBM, "lightgbm",
        ),
        case(
            "XGBoost 100 × depth 6",
            xgboost_model(
                folder, "xgb-100", training[:, :15], label, 100, objective="binary:logistic",
                max_depth=6,
            ),
            15, XGBOOST, "xgboost",
        ),
        case(
            "LightGBM forest 100 × 1000",
            lightgbm_model(
                folder, "lgb-forest", training, label, 100, objective="binary", boosting="rf",
                num_leaves=1000, min_data_in_leaf=5, bagging_freq=1, bagging_fraction=0.8,
                feature_fraction=0.5,
            ),
            28, LIGHTGBM, "lightgbm",
        ),
        case(
            "ONNX forest 100 × 1000", forest(folder, "forest", training, label), 28,
            ["onnxruntime"], "onnxruntime",
        ),
        case(
            "LightGBM 10 classes × 50 × 31",
            lightgbm_model(
                folder, "lgb-classes", training, classes, 50, objective="multiclass",
                num_class=10, num_leaves=31, learning_rate=0.1,
            ),
            28, LIGHTGBM, "lightgbm",
        ),
        case(
            "XGBoost 10 classes × 50 × depth 6",
            xgboost_model(
                folder, "xgb-classes", training, classes, 50, objective="multi:softprob",
                num_class=10, max_depth=6,
            ),
            28, XGBOOST, "xgboost",
        ),
        case(
            "LightGBM regression 300 × 127",
            lightgbm_model(
                folder, "lgb-regression", training, score, 300, objective="regression",
                num_leaves=127,
            ),
            28, LIGHTGBM, "lightgbm",
        ),
        case(
            "LightGBM 100 × 6, 4 columns",
            lightgbm_model(
                folder, "lgb-small", training[:, :4], label, 100, objective="binary", num_leaves=6
            ),
            4, LIGHTGBM, "lightgbm",
        ),
    ]
    print(json.dumps(cases))


def curves(folder):
    """Models of one kind, ever more trees of one long training, for rows and trees ten-fold."""
    import lightgbm

    random = numpy.random.Generator(numpy.random.PCG64(20261123))
    training, label = numbers(random, 20_000)
    whole = folder / lightgbm_model(
        folder, "lgb-5000", training, label, 5000, objective="binary", num_leaves=31,
        learning_rate=0.01,
    )
    booster = lightgbm.Booster(model_file=whole)
    table = folder / "rows-100000.npy"
    if not table.exists():
        numpy.save(table, numbers(random, 100_000)[0])
    cases = []
    for trees in (50, 500, 5000):
        path = folder / f"lgb-first-{trees}.txt"
        if not path.exists():
            booster.save_model(path, num_iteration=trees)
        rows = [10**power for power in range(6)] if trees == 500 else [1, 10_000]
        cases.append(
            {
                "name": f"LightGBM {trees} × 31", "model": str(path), "input": str(table),
                "peers": [], "library": None, "rows": rows,
            }
        )
    print(json.dumps(cases))


# ---------------------------------------------------------------- libraries


def calls():
    """`engine_calls.c`, compiled when it is newer than what was."""
    source = HERE / "engine_calls.c"
    built = HERE.parent / ".build/engine_calls.so"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", built, source], check=True)
    return ctypes.CDLL(str(built))


class Library:
    """A library with a model: `predict(block)`, and `single(rows)`, which is a `run(count)` for
    calls of one row, where there is something quicker than `predict`."""

    def single(self, rows):
        return None


def is_lightgbm(case):
    return case["model"].endswith(".txt")


class LightGBM(Library):
    package = "lightgbm"
    dtype = numpy.float64

    def __init__(self, case):
        import lightgbm

        self.booster = lightgbm.Booster(model_file=case["model"])

    def predict(self, rows):
        return self.booster.predict(rows, num_threads=1)

    def single(self, rows):
        import lightgbm.basic

        library = lightgbm.basic._LIB
        config = ctypes.c_void_p()
        # 1: float64; 0: the prediction behind the link.
        status = library.LGBM_BoosterPredictForMatSingleRowFastInit(
            self.booster._handle, 0, 0, -1, 1, ctypes.c_int32(rows.shape[1]), b"num_threads=1",
            ctypes.byref(config),
        )
        assert status == 0
        out = numpy.zeros(self.booster.num_model_per_iteration())
        place = ctypes.c_size_t(0)
        c = calls()

        def run(count):
            status = c.call_lightgbm(
                library.LGBM_BoosterPredictForMatSingleRowFast, config,
                ctypes.c_void_p(rows.ctypes.data), ctypes.c_size_t(rows.strides[0]),
                ctypes.c_size_t(len(rows)), ctypes.byref(place), ctypes.c_size_t(count),
                ctypes.c_void_p(out.ctypes.data),
            )
            assert status == 0

        return run


class XGBoost(Library):
    package = "xgboost-cpu"
    dtype = numpy.float32

    def __init__(self, case):
        import xgboost

        self.booster = xgboost.Booster({"nthread": 1}, model_file=case["model"])

    def predict(self, rows):
        return self.booster.inplace_predict(rows)

    def single(self, rows):
        import xgboost
        import xgboost.core

        library = xgboost.core._LIB
        proxy = ctypes.c_void_p()
        assert library.XGProxyDMatrixCreate(ctypes.byref(proxy)) == 0
        texts = [
            json.dumps(
                {"data": [row.ctypes.data, True], "shape": [1, len(row)], "typestr": "<f4",
                 "version": 3}
            ).encode()
            for row in rows
        ]
        arrays = (ctypes.c_char_p * len(texts))(*texts)
        config = json.dumps(
            {"type": 0, "training": False, "iteration_begin": 0, "iteration_end": 0,
             "strict_shape": False, "cache_id": 0, "missing": float("nan")}
        ).encode()
        place = ctypes.c_size_t(0)
        c = calls()

        def run(count):
            status = c.call_xgboost(
                library.XGBoosterPredictFromDense, self.booster.handle, arrays, config, proxy,
                ctypes.c_size_t(len(texts)), ctypes.byref(place), ctypes.c_size_t(count),
            )
            assert status == 0

        return run


class XGBoostPython(XGBoost):
    """`inplace_predict` of a numpy array, also for one row."""

    def single(self, rows):
        return None


def onnx_of(case):
    """The model as ONNX, beside it."""
    source = pathlib.Path(case["model"])
    if source.suffix == ".onnx":
        return source
    path = source.with_suffix(".converted.onnx")
    if not path.exists():
        from onnxmltools.convert.common.data_types import FloatTensorType

        columns = numpy.load(case["input"], mmap_mode="r").shape[1]
        types = [("X", FloatTensorType([None, columns]))]
        if is_lightgbm(case):
            import lightgbm
            from onnxmltools import convert_lightgbm

            booster = lightgbm.Booster(model_file=source)
            model = convert_lightgbm(booster, initial_types=types, zipmap=False)
        else:
            import xgboost
            from onnxmltools import convert_xgboost

            booster = xgboost.Booster(model_file=source)
            model = convert_xgboost(booster, initial_types=types)
        path.write_bytes(model.SerializeToString())
    return path


class ONNXRuntime(Library):
    package = "onnxruntime"
    dtype = numpy.float32

    def __init__(self, case):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(onnx_of(case)), options, providers=["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name
        outputs = [output.name for output in self.session.get_outputs()]
        # Ours gives all outputs of an ONNX model; of a converted one only the probabilities count.
        self.outputs = None if case["model"].endswith(".onnx") else outputs[-1:]

    def predict(self, rows):
        return self.session.run(self.outputs, {self.name: rows})[0]


class OneDAL(Library):
    package = "scikit-learn-intelex"
    dtype = numpy.float32

    def __init__(self, case):
        import daal4py

        daal4py.daalinit(1)
        if is_lightgbm(case):
            import lightgbm

            booster = lightgbm.Booster(model_file=case["model"])
        else:
            import xgboost

            booster = xgboost.Booster(model_file=case["model"])
        self.model = daal4py.mb.convert_model(booster)
        self.gives_classes = bool(self.model._is_regression) is False

    def predict(self, rows):
        return self.model.predict_proba(rows) if self.gives_classes else self.model.predict(rows)


class TL2cgen(Library):
    package = "tl2cgen"

    def __init__(self, case):
        import tl2cgen
        import treelite

        source = pathlib.Path(case["model"])
        built = source.with_suffix(".tl2cgen.so")
        if not built.exists():
            if is_lightgbm(case):
                model = treelite.frontend.load_lightgbm_model(source)
            else:
                model = treelite.frontend.load_xgboost_model(source)
            part = source.with_suffix(".part.so")
            tl2cgen.export_lib(
                model, toolchain="gcc", libpath=part, params={"parallel_comp": 16}, nthread=2
            )
            part.rename(built)
        self.dtype = "float64" if is_lightgbm(case) else "float32"
        self.matrix = tl2cgen.DMatrix
        self.predictor = tl2cgen.Predictor(built, nthread=1)
        self.path = built

    def predict(self, rows):
        return self.predictor.predict(self.matrix(rows, dtype=self.dtype))

    def single(self, rows):
        library = ctypes.CDLL(str(self.path))
        out = numpy.zeros(1024)
        place = ctypes.c_size_t(0)
        c = calls()

        def run(count):
            c.call_tl2cgen(
                library.predict, ctypes.c_void_p(rows.ctypes.data),
                ctypes.c_size_t(rows.strides[0]), ctypes.c_size_t(len(rows)),
                ctypes.byref(place), ctypes.c_size_t(count), ctypes.c_void_p(out.ctypes.data),
            )

        return run


class LLeaves(Library):
    package = "lleaves"
    dtype = numpy.float64

    def __init__(self, case):
        import lleaves

        source = pathlib.Path(case["model"])
        self.model = lleaves.Model(model_file=str(source))
        self.model.compile(cache=str(source.with_suffix(".lleaves.o")))

    def predict(self, rows):
        return self.model.predict(rows, n_jobs=1)

    def single(self, rows):
        function = self.model._c_entry_func
        address = ctypes.cast(function, ctypes.c_void_p)
        out = numpy.zeros(1024)
        place = ctypes.c_size_t(0)
        c = calls()

        def run(count):
            c.call_lleaves(
                address, ctypes.c_void_p(rows.ctypes.data), ctypes.c_size_t(rows.strides[0]),
                ctypes.c_size_t(len(rows)), ctypes.byref(place), ctypes.c_size_t(count),
                ctypes.c_void_p(out.ctypes.data),
            )

        return run


LIBRARIES = {
    "lightgbm": LightGBM, "xgboost": XGBoost, "xgboost-python": XGBoostPython,
    "onnxruntime": ONNXRuntime, "onedal": OneDAL, "tl2cgen": TL2cgen, "lleaves": LLeaves,
}


def serve(peer, case, output):
    begin = time.perf_counter()
    library = LIBRARIES[peer](case)
    load = time.perf_counter() - begin
    table = numpy.ascontiguousarray(numpy.load(case["input"]), library.dtype)
    numpy.save(output, library.predict(table))

    def prepare(rows):
        single = library.single(table) if rows == 1 else None
        return single or engine_turns.over_blocks(table, rows, library.predict)

    facts = {
        "version": importlib.metadata.version(library.package), "load_ms": load * 1000,
    }
    engine_turns.serve(prepare, facts)


def main():
    what, *rest = sys.argv[1:]
    if what == "make":
        make(pathlib.Path(rest[0]))
    elif what == "curves":
        curves(pathlib.Path(rest[0]))
    else:
        serve(rest[0], json.loads(rest[1]), rest[2])


if __name__ == "__main__":
    main()
