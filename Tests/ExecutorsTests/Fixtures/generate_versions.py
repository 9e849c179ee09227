#!/usr/bin/env python3
"""Makes the fixtures that older libraries have written; run it once with each of them:

    pip install xgboost==1.0.2 'numpy<1.24' 'scipy<1.12'        also 1.4.2, 1.7.6 (numpy<2)
    pip install xgboost-cpu==2.1.4 scipy pandas                 also 3.0.5, 3.1.2
    pip install lightgbm==2.2.3 'numpy<1.24' scikit-learn       also 3.3.5
    venv/bin/python Tests/ExecutorsTests/Fixtures/generate_versions.py

Names carry the version: xgb_1_4_2_dart.json. The answers are those of the writing library, as in generate.py,
whose rules hold for the rows too.
"""
import json
import os
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = 44


def training_data(seed, rows=400, features=5):
    generator = numpy.random.RandomState(seed)
    values = generator.normal(size=(rows, features))
    values[:, 2] = numpy.round(values[:, 2])
    values[generator.random_sample(values.shape) < 0.08] = numpy.nan
    score = numpy.nan_to_num(values).dot(generator.normal(size=features))
    return values, score + 0.3 * generator.normal(size=rows)


def awkward_rows(base, thresholds, dtype, infinities, seed):
    generator = numpy.random.RandomState(seed)
    rows = base[generator.randint(0, len(base), ROWS)].astype(dtype)
    special = [numpy.nan, 0.0, -0.0, 1e-35, -1e-36]
    if infinities:
        special += [numpy.inf, -numpy.inf]
    for row in range(ROWS):
        for feature in range(rows.shape[1]):
            draw = generator.random_sample()
            if draw < 0.12:
                rows[row, feature] = generator.choice(special)
            elif draw < 0.75 and thresholds.get(feature):
                at = dtype(generator.choice(thresholds[feature]))
                towards = dtype(generator.choice([-numpy.inf, numpy.inf]))
                rows[row, feature] = at if draw < 0.4 else numpy.nextafter(at, towards)
    return rows


def save(name, rows, predict, margin, leaf):
    for part, array in (("X", rows), ("predict", predict), ("margin", margin), ("leaf", leaf)):
        if array is not None:
            numpy.save(os.path.join(HERE, name + "." + part + ".npy"), numpy.ascontiguousarray(array))


def xgboost_thresholds(path):
    thresholds = {}
    with open(path) as file:
        inner = json.load(file)["learner"]["gradient_booster"]
    for tree in inner.get("gbtree", inner)["model"].get("trees", []):
        types = tree.get("split_type") or [0] * len(tree["left_children"])
        for node, left in enumerate(tree["left_children"]):
            if left != -1 and types[node] == 0:
                thresholds.setdefault(tree["split_indices"][node], []).append(
                    numpy.float32(tree["split_conditions"][node]))
    return thresholds


def make_xgboost(kind, suffix, seed, label, rounds=3, categories=None, **parameters):
    import xgboost
    name = "xgb_{}_{}".format(xgboost.__version__.replace(".", "_"), kind)
    base, score = training_data(seed)
    settings = {}
    if categories:
        base[:, 0] = numpy.random.RandomState(seed).randint(0, categories, len(base))
        score = score + numpy.sin(base[:, 0] * 2.1) * 3
        settings = {
            "feature_types": ["c"] + ["q"] * (base.shape[1] - 1), "enable_categorical": True,
        }
    linear = parameters.get("booster") == "gblinear"
    defaults = {"updater": "coord_descent"} if linear else {"max_depth": 3, "tree_method": "hist"}
    booster = xgboost.train(
        {"nthread": 1, "seed": seed, **defaults, **parameters},
        xgboost.DMatrix(base.astype(numpy.float32), label=label(score), **settings),
        num_boost_round=rounds)
    path = os.path.join(HERE, name + "." + suffix)
    twin = os.path.join(HERE, "twin.json")
    booster.save_model(twin)
    rows = awkward_rows(base, xgboost_thresholds(twin), numpy.float32, False, seed + 10)
    os.remove(twin)
    if categories:
        rows[:, 0] = numpy.random.RandomState(seed + 1).choice(
            [numpy.nan, -1] + list(range(categories + 3)), ROWS)
    booster.save_model(path)
    booster = xgboost.Booster(model_file=path)
    matrix = xgboost.DMatrix(rows, **settings)
    leaf = None
    if not linear:
        leaf = booster.predict(matrix, pred_leaf=True).reshape(ROWS, -1).astype(numpy.int32)
    save(
        name, rows, booster.predict(matrix), booster.predict(matrix, output_margin=True), leaf)


def main_xgboost():
    import xgboost
    version = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
    compact = "ubj" if version >= (1, 6) else "json"
    make_xgboost("binary", "json", 201, positive, objective="binary:logistic")
    make_xgboost("softprob", compact, 202, thirds, objective="multi:softprob", num_class=3)
    make_xgboost("poisson", compact, 203, counts, objective="count:poisson")
    make_xgboost("logitraw", "json", 204, positive, objective="binary:logitraw")
    make_xgboost(
        "dart", compact, 205, thirds, objective="multi:softprob", num_class=3, booster="dart",
        rate_drop=0.4)
    make_xgboost(
        "linear", compact, 206, thirds, objective="multi:softprob", num_class=3,
        booster="gblinear")
    make_xgboost(
        "forest", compact, 207, positive, 2, objective="binary:logistic", num_parallel_tree=3,
        subsample=0.7, colsample_bynode=0.7)
    # 1.0 cannot load what it writes of a pruned tree.
    if version >= (1, 1):
        make_xgboost(
            "pruned", "json", 208, lambda s: s, objective="reg:squarederror",
            tree_method="exact", max_depth=5, gamma=12)
    if version >= (1, 6):
        make_xgboost(
            "categorical", compact, 209, lambda s: s, categories=12, max_cat_to_onehot=1,
            objective="reg:squarederror")
        make_xgboost(
            "onehot", "json", 210, lambda s: s, categories=6, max_cat_to_onehot=20,
            objective="reg:squarederror")
        make_xgboost("targets", compact, 211, several, objective="reg:squarederror")
    if version >= (2, 0):
        make_xgboost(
            "vector", compact, 212, several, objective="reg:squarederror",
            multi_strategy="multi_output_tree")
        make_xgboost(
            "quantile", "json", 213, lambda s: s, objective="reg:quantileerror",
            quantile_alpha=[0.2, 0.8])


def lightgbm_thresholds(booster):
    thresholds = {}

    def visit(node):
        if "split_feature" in node:
            if node["decision_type"] == "<=":
                thresholds.setdefault(node["split_feature"], []).append(node["threshold"])
            visit(node["left_child"])
            visit(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        visit(tree["tree_structure"])
    return thresholds


def make_lightgbm(kind, seed, label, rounds=3, categories=None, **parameters):
    import lightgbm
    name = "lgb_{}_{}".format(lightgbm.__version__.replace(".", "_"), kind)
    base, score = training_data(seed)
    if categories:
        base[:, 0] = numpy.random.RandomState(seed).randint(0, categories, len(base))
        score = score + numpy.sin(base[:, 0] * 2.1) * 3
    booster = lightgbm.train(
        {
            "num_threads": 1, "seed": seed, "num_leaves": 8, "min_data_in_leaf": 8,
            "min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 2, "verbosity": -1,
            **parameters,
        },
        lightgbm.Dataset(
            base, label=label(score), categorical_feature=[0] if categories else "auto"),
        num_boost_round=rounds)
    path = os.path.join(HERE, name + ".txt")
    booster.save_model(path)
    booster = lightgbm.Booster(model_file=path)
    rows = awkward_rows(base, lightgbm_thresholds(booster), numpy.float64, True, seed + 10)
    if categories:
        rows[:, 0] = numpy.random.RandomState(seed + 1).choice(
            [numpy.nan, -1, 2.7] + list(range(categories + 3)), ROWS)
    save(
        name, rows, booster.predict(rows), booster.predict(rows, raw_score=True),
        booster.predict(rows, pred_leaf=True).reshape(ROWS, -1).astype(numpy.int32))


def main_lightgbm():
    import lightgbm
    version = tuple(int(part) for part in lightgbm.__version__.split(".")[:2])
    make_lightgbm("binary", 301, positive, objective="binary")
    make_lightgbm("multiclass", 302, thirds, objective="multiclass", num_class=3)
    make_lightgbm("categorical", 303, lambda s: s, categories=20, objective="regression")
    make_lightgbm("zero", 304, lambda s: s, objective="regression", zero_as_missing=True)
    make_lightgbm(
        "forest", 305, counts, objective="poisson", boosting="rf", bagging_freq=1,
        bagging_fraction=0.6)
    if version >= (3, 2):
        make_lightgbm("linear", 306, lambda s: s, objective="regression", linear_tree=True)


def thirds(score):
    return numpy.digitize(score, numpy.quantile(score, [1 / 3, 2 / 3]))


def positive(score):
    return (score > 0).astype(float)


def counts(score):
    return numpy.round(numpy.exp(numpy.clip(score, -2, 3) / 2))


def several(score):
    return numpy.stack([score, numpy.sin(score), numpy.abs(score)], axis=1)


def main():
    warnings.filterwarnings("ignore")
    for library, make in (("xgboost", main_xgboost), ("lightgbm", main_lightgbm)):
        try:
            __import__(library)
        except ImportError:
            continue
        make()


if __name__ == "__main__":
    main()
