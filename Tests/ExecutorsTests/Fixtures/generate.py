#!/usr/bin/env python3
"""Makes the fixtures in this folder: small models, inputs, and the library's own answers.

    venv/bin/python Tests/ExecutorsTests/Fixtures/generate.py   (requirements: models/requirements.txt)

Per model NAME: NAME.json|.ubj|.txt (or, for the packages in models/, a file there), NAME.X.npy, and
NAME.predict.npy, NAME.margin.npy, NAME.leaf.npy. The rows hold NaN, infinities, zeros, tiny numbers, and
thresholds with their neighbours one ulp away. Seeds are fixed, one thread.
"""
import json
import os
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import lightgbm
import numpy
import xgboost

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "..", "..", "..", "models")
ROWS = 56


def training_data(seed, rows=400, features=6):
    generator = numpy.random.default_rng(seed)
    values = generator.normal(size=(rows, features))
    values[:, 2] = numpy.round(values[:, 2])
    values[generator.random(values.shape) < 0.08] = numpy.nan
    score = numpy.nan_to_num(values) @ generator.normal(size=features)
    return values, score + 0.3 * generator.normal(size=rows)


def awkward_rows(base, thresholds, dtype, infinities, seed):
    """Rows of `base` with cells replaced by what kernels get wrong."""
    generator = numpy.random.default_rng(seed)
    rows = base[generator.integers(0, len(base), ROWS)].astype(dtype)
    special = [numpy.nan, 0.0, -0.0, 1e-35, -1e-36, 1e-40]
    if infinities:
        special += [numpy.inf, -numpy.inf]
    for row in range(ROWS):
        for feature in range(rows.shape[1]):
            draw = generator.random()
            if draw < 0.12:
                rows[row, feature] = generator.choice(special)
            elif draw < 0.75 and thresholds.get(feature):
                at = dtype(generator.choice(thresholds[feature]))
                towards = dtype(generator.choice([-numpy.inf, numpy.inf]))
                moved = numpy.nextafter(at, towards)
                rows[row, feature] = at if generator.random() < 0.4 else moved
    return rows


def save(name, rows, predict, margin, leaf):
    for part, array in (("X", rows), ("predict", predict), ("margin", margin), ("leaf", leaf)):
        numpy.save(os.path.join(HERE, f"{name}.{part}.npy"), numpy.ascontiguousarray(array))


def xgboost_thresholds(booster):
    thresholds = {}
    model = json.loads(booster.save_raw("json"))
    inner = model["learner"]["gradient_booster"]
    for tree in inner.get("gbtree", inner)["model"]["trees"]:
        for node, left in enumerate(tree["left_children"]):
            if left != -1 and tree["split_type"][node] == 0:
                thresholds.setdefault(tree["split_indices"][node], []).append(
                    numpy.float32(tree["split_conditions"][node]))
    return thresholds


def answer_xgboost(name, booster, base, seed, categories=None):
    rows = awkward_rows(base, xgboost_thresholds(booster), numpy.float32, False, seed)
    if categories:
        generator = numpy.random.default_rng(seed + 1)
        choices = [numpy.nan, -1, *range(categories + 3)]
        rows[:, 0] = generator.choice(choices, ROWS)
    matrix = xgboost.DMatrix(
        rows, feature_names=booster.feature_names, feature_types=booster.feature_types,
        enable_categorical=categories is not None)
    leaf = booster.predict(matrix, pred_leaf=True).reshape(ROWS, -1).astype(numpy.int32)
    save(name, rows, booster.predict(matrix), booster.predict(matrix, output_margin=True), leaf)


def make_xgboost(name, suffix, seed, label, rounds=6, categories=None, **parameters):
    base, score = training_data(seed)
    types = None
    if categories:
        base[:, 0] = numpy.random.default_rng(seed).integers(0, categories, len(base))
        score = score + numpy.sin(base[:, 0] * 2.1) * 3
        types = ["c"] + ["q"] * (base.shape[1] - 1)
    matrix = xgboost.DMatrix(
        base.astype(numpy.float32), label=label(score), feature_types=types,
        enable_categorical=categories is not None)
    booster = xgboost.train(
        {"nthread": 1, "seed": seed, "max_depth": 3, "tree_method": "hist", **parameters}, matrix,
        num_boost_round=rounds)
    booster.save_model(os.path.join(HERE, f"{name}.{suffix}"))
    answer_xgboost(name, booster, base, seed + 10, categories)


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


def answer_lightgbm(name, booster, base, seed, categories=None):
    rows = awkward_rows(base, lightgbm_thresholds(booster), numpy.float64, True, seed)
    if categories:
        generator = numpy.random.default_rng(seed + 1)
        rows[:, 0] = generator.choice(
            [numpy.nan, -1, -0.5, 2.7, 1e20, *range(categories + 3)], ROWS)
    save(
        name, rows, booster.predict(rows), booster.predict(rows, raw_score=True),
        booster.predict(rows, pred_leaf=True).reshape(ROWS, -1).astype(numpy.int32))


def make_lightgbm(name, seed, label, rounds=6, missing="nan", categories=None, **parameters):
    base, score = training_data(seed)
    settings = {
        "nan": {}, "zero": {"zero_as_missing": True}, "none": {"use_missing": False},
    }[missing]
    if missing == "zero":
        base[numpy.random.default_rng(seed).random(base.shape) < 0.2] = 0
    if categories:
        base[:, 0] = numpy.random.default_rng(seed).integers(0, categories, len(base))
        score = score + numpy.sin(base[:, 0] * 2.1) * 3
        settings = {**settings, "min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 2}
    dataset = lightgbm.Dataset(
        base, label=label(score), categorical_feature=[0] if categories else [])
    booster = lightgbm.train(
        {
            "num_threads": 1, "seed": seed, "deterministic": True, "force_row_wise": True,
            "num_leaves": 8, "min_data_in_leaf": 8, "verbosity": -1, **settings, **parameters,
        }, dataset, num_boost_round=rounds)
    path = os.path.join(HERE, f"{name}.txt")
    booster.save_model(path)
    answer_lightgbm(name, lightgbm.Booster(model_file=path), base, seed + 10, categories)


def thirds(score):
    return numpy.digitize(score, numpy.quantile(score, [1 / 3, 2 / 3]))


def positive(score):
    return (score > 0).astype(float)


def counts(score):
    return numpy.round(numpy.exp(numpy.clip(score, -2, 3) / 2))


def main():
    warnings.filterwarnings("ignore")
    make_xgboost("xgb_binary", "json", 1, positive, objective="binary:logistic")
    make_xgboost("xgb_softprob", "ubj", 2, thirds, 3, objective="multi:softprob", num_class=3)
    make_xgboost("xgb_softmax", "json", 3, thirds, 2, objective="multi:softmax", num_class=3)
    make_xgboost("xgb_squarederror", "ubj", 4, lambda s: s, objective="reg:squarederror")
    make_xgboost("xgb_poisson", "json", 5, counts, objective="count:poisson")
    make_xgboost("xgb_tweedie", "ubj", 6, counts, objective="reg:tweedie")
    make_xgboost("xgb_hinge", "json", 7, positive, 3, objective="binary:hinge")
    make_xgboost("xgb_logitraw", "ubj", 8, positive, 3, objective="binary:logitraw")
    make_xgboost(
        "xgb_forest", "ubj", 9, positive, 2, objective="binary:logistic", num_parallel_tree=3,
        subsample=0.7, colsample_bynode=0.7, eta=1)
    make_xgboost(
        "xgb_dart", "ubj", 10, counts, 5, objective="count:poisson", booster="dart", rate_drop=0.5)
    make_xgboost(
        "xgb_categorical", "ubj", 11, lambda s: s, 4, categories=12, objective="reg:squarederror",
        max_cat_to_onehot=1)
    make_lightgbm("lgb_binary", 21, positive, objective="binary", sigmoid=1.3)
    make_lightgbm("lgb_multiclass", 22, thirds, 3, objective="multiclass", num_class=3)
    make_lightgbm("lgb_ova", 23, thirds, 2, objective="multiclassova", num_class=3)
    make_lightgbm("lgb_zero", 24, lambda s: s, missing="zero", objective="regression")
    make_lightgbm("lgb_none", 25, lambda s: s, missing="none", objective="regression")
    make_lightgbm("lgb_sqrt", 26, lambda s: s, 3, objective="regression", reg_sqrt=True)
    make_lightgbm("lgb_poisson", 27, counts, 3, objective="poisson")
    make_lightgbm("lgb_xentlambda", 28, positive, 3, objective="cross_entropy_lambda")
    make_lightgbm(
        "lgb_forest", 29, counts, 4, objective="tweedie", boosting="rf", bagging_freq=1,
        bagging_fraction=0.6)
    make_lightgbm("lgb_categorical", 30, lambda s: s, 3, categories=40, objective="regression")

    from sklearn.datasets import load_breast_cancer, load_diabetes
    for version in (1, 2):
        booster = xgboost.Booster(model_file=os.path.join(
            MODELS, "breast-cancer", str(version), "model.json"))
        answer_xgboost(f"breast-cancer-{version}", booster, load_breast_cancer().data, 40 + version)
    booster = lightgbm.Booster(model_file=os.path.join(MODELS, "diabetes", "1", "model.txt"))
    answer_lightgbm("diabetes-1", booster, load_diabetes().data, 50)


if __name__ == "__main__":
    main()
