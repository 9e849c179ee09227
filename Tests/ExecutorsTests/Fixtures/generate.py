#!/usr/bin/env python3
"""Makes the fixtures in this folder: small models, inputs, and the library's own answers.

    venv/bin/python Tests/ExecutorsTests/Fixtures/generate.py [NAME …]   (requirements: requirements.txt beside it)

Without names: all of them. Run generate_versions.py first: it makes those that older libraries have written.

Per model NAME: NAME.json|.ubj|.txt (or, for the packages in models/, a file there), NAME.X.npy, and
NAME.predict.npy, NAME.margin.npy, NAME.leaf.npy. The rows hold NaN, infinities, zeros, tiny numbers, and
thresholds with their neighbours one ulp away. Seeds are fixed, one thread.
"""
import glob
import json
import os
import sys
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import lightgbm
import numpy
import pandas
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


def save(name, rows, predict, margin, leaf=None):
    for part, array in (("X", rows), ("predict", predict), ("margin", margin), ("leaf", leaf)):
        if array is not None:
            numpy.save(os.path.join(HERE, f"{name}.{part}.npy"), numpy.ascontiguousarray(array))


def xgboost_thresholds(booster):
    thresholds = {}
    model = json.loads(booster.save_raw("json"))
    inner = model["learner"]["gradient_booster"]
    for tree in inner.get("gbtree", inner)["model"].get("trees", []):
        for node, left in enumerate(tree["left_children"]):
            if left != -1 and tree["split_type"][node] == 0:
                thresholds.setdefault(tree["split_indices"][node], []).append(
                    numpy.float32(tree["split_conditions"][node]))
    return thresholds


def answer_xgboost(name, booster, base, seed, categories=None, rounds=(0, 0), has_leaves=True):
    rows = awkward_rows(base, xgboost_thresholds(booster), numpy.float32, False, seed)
    for column in categories or {}:
        generator = numpy.random.default_rng(seed + 1 + column)
        choices = [numpy.nan, -1, -0.5, 1.5, 2**24, *range(categories[column] + 3)]
        rows[:, column] = generator.choice(choices, ROWS)
    matrix = xgboost.DMatrix(
        rows, feature_names=booster.feature_names, feature_types=booster.feature_types,
        enable_categorical=bool(categories))
    leaf = None
    if has_leaves:
        leaf = booster.predict(matrix, pred_leaf=True, iteration_range=rounds)
        leaf = leaf.reshape(ROWS, -1).astype(numpy.int32)
    save(
        name, rows, booster.predict(matrix, iteration_range=rounds),
        booster.predict(matrix, output_margin=True, iteration_range=rounds), leaf)


def make_xgboost(
    name, suffix, seed, label, rounds=6, categories=None, bounds=None, groups=None, rows=400,
    **parameters
):
    base, score = training_data(seed, rows)
    types = None
    if categories:
        types = ["q"] * base.shape[1]
        for column, count in categories.items():
            codes = numpy.random.default_rng(seed + column).integers(0, count, len(base))
            base[:, column] = codes
            score = score + numpy.sin(codes * 2.1) * 3
            types[column] = "c"
    linear = parameters.get("booster") == "gblinear"
    matrix = xgboost.DMatrix(
        base.astype(numpy.float32), label=None if bounds else label(score), feature_types=types,
        enable_categorical=bool(categories))
    if bounds:
        lower, upper = bounds(score)
        matrix.set_float_info("label_lower_bound", lower)
        matrix.set_float_info("label_upper_bound", upper)
    if groups:
        matrix.set_group([len(base) // groups] * groups)
    settings = {"nthread": 1, "seed": seed, **parameters}
    if linear:
        settings.setdefault("updater", "coord_descent")
    else:
        settings = {"max_depth": 3, "tree_method": "hist", **settings}
    booster = xgboost.train(settings, matrix, num_boost_round=rounds)
    path = os.path.join(HERE, f"{name}.{suffix}")
    booster.save_model(path)
    answer_xgboost(
        name, xgboost.Booster(model_file=path), base, seed + 10, categories,
        has_leaves=not linear)


def make_early_stopping(name, suffix, seed, kind, label, **parameters):
    """Written by the scikit-learn wrapper, which predicts with the best rounds only."""
    base, score = training_data(seed)
    labels = label(score)
    generator = numpy.random.default_rng(seed)
    model = kind(
        n_estimators=25, max_depth=3, early_stopping_rounds=3, n_jobs=1, learning_rate=0.9,
        random_state=seed, **parameters)
    model.fit(
        base[100:], labels[100:], eval_set=[(base[:100], generator.permutation(labels[:100]))],
        verbose=False)
    path = os.path.join(HERE, f"{name}.{suffix}")
    model.save_model(path)
    booster = xgboost.Booster(model_file=path)
    rounds = (0, int(booster.attr("best_iteration")) + 1)
    assert rounds[1] < booster.num_boosted_rounds(), name
    answer_xgboost(name, booster, base, seed + 10, rounds=rounds)
    # The same trees without the wrapper's mark: all of them answer.
    bare = os.path.join(HERE, f"{name}_all.{suffix}")
    booster.set_attr(scikit_learn=None)
    booster.save_model(bare)
    answer_xgboost(f"{name}_all", booster, base, seed + 10)


def make_wrapped_dart(name, suffix, seed, kind, label):
    """What the wrapper answers, which adds DART's trees up in another way: `NAME.wrapped.npy`."""
    base, score = training_data(seed)
    base = base.astype(numpy.float32)
    model = kind(n_estimators=8, max_depth=3, n_jobs=1, booster="dart", rate_drop=0.4, seed=seed)
    model.fit(base, label(score))
    path = os.path.join(HERE, f"{name}.{suffix}")
    model.save_model(path)
    answer_xgboost(name, xgboost.Booster(model_file=path), base, seed + 10)
    numpy.save(os.path.join(HERE, f"{name}.wrapped.npy"), model.predict(
        numpy.load(os.path.join(HERE, f"{name}.X.npy"))))


def answer_oldest():
    """XGBoost 1.0 added up a row's trees before it added the base score, as no later version does (and gave
    `binary:logitraw` another base). A file of 1.0 is answered as the library of today answers it."""
    for path in sorted(glob.glob(os.path.join(HERE, "xgb_1_0_2_*.json"))):
        name = os.path.basename(path).split(".")[0]
        booster = xgboost.Booster(model_file=path)
        rows = numpy.load(os.path.join(HERE, f"{name}.X.npy"))
        matrix = xgboost.DMatrix(rows)
        leaf = None
        if "linear" not in name:
            leaf = booster.predict(matrix, pred_leaf=True).reshape(len(rows), -1).astype(numpy.int32)
        save(
            name, rows, booster.predict(matrix), booster.predict(matrix, output_margin=True), leaf)


def category_frame(seed, rows=400):
    generator = numpy.random.default_rng(seed)
    frame = pandas.DataFrame({"weight": generator.normal(size=rows)})
    colours = numpy.array(["red", "green", "blue", 'a "grey" one'])
    frame["colour"] = pandas.Categorical(colours[generator.integers(0, 4, rows)])
    frame["price"] = pandas.Categorical(numpy.array([10, 20, 35, 7])[generator.integers(0, 4, rows)])
    frame["height"] = generator.normal(size=rows)
    frame.loc[generator.random(rows) < 0.1, "weight"] = numpy.nan
    score = frame["weight"].fillna(0) + 2 * numpy.sin(frame["colour"].cat.codes * 2.0)
    return frame, (score + numpy.cos(frame["price"].cat.codes * 3.0) + frame["height"]).to_numpy()


def frame_rows(frame):
    """The frame as requests carry it: records with the categories' own names."""
    rows = json.loads(frame.to_json(orient="records", double_precision=15))
    for row, (_, values) in zip(rows, frame.iterrows()):
        for name in row:
            if isinstance(row[name], float):
                row[name] = float(values[name])
    return rows


def save_records(name, records, predict):
    with open(os.path.join(HERE, f"{name}.records.json"), "w") as file:
        json.dump({"records": records, "predict": predict.tolist()}, file)


def make_xgboost_frame(name, suffix, seed):
    frame, score = category_frame(seed)
    booster = xgboost.train(
        {"nthread": 1, "max_depth": 4, "tree_method": "hist", "max_cat_to_onehot": 2},
        xgboost.DMatrix(frame, label=score, enable_categorical=True), num_boost_round=5)
    path = os.path.join(HERE, f"{name}.{suffix}")
    booster.save_model(path)
    booster = xgboost.Booster(model_file=path)
    codes = frame.copy()
    for column in ("colour", "price"):
        codes[column] = frame[column].cat.codes
    answer_xgboost(name, booster, codes.to_numpy(dtype=float), seed + 10, {1: 4, 2: 4})
    part = frame.iloc[:40].copy()
    part.loc[part.index[3], "colour"] = None
    matrix = xgboost.DMatrix(part, enable_categorical=True)
    save_records(name, frame_rows(part), booster.predict(matrix))


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
    for column in categories or {}:
        generator = numpy.random.default_rng(seed + 1 + column)
        rows[:, column] = generator.choice(
            [numpy.nan, -1, -0.5, 2.7, 1e20, *range(categories[column] + 3)], ROWS)
    save(
        name, rows, booster.predict(rows), booster.predict(rows, raw_score=True),
        booster.predict(rows, pred_leaf=True).reshape(ROWS, -1).astype(numpy.int32))


def make_lightgbm(
    name, seed, label, rounds=6, missing="nan", categories=None, groups=None, **parameters
):
    base, score = training_data(seed)
    settings = {
        "nan": {}, "zero": {"zero_as_missing": True}, "none": {"use_missing": False},
    }[missing]
    if missing == "zero":
        base[numpy.random.default_rng(seed).random(base.shape) < 0.2] = 0
    for column, count in (categories or {}).items():
        codes = numpy.random.default_rng(seed + column).integers(0, count, len(base))
        base[:, column] = codes
        score = score + numpy.sin(codes * 2.1) * 3
        settings = {**settings, "min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 2}
    dataset = lightgbm.Dataset(
        base, label=label(score), categorical_feature=list(categories or {}),
        group=[len(base) // groups] * groups if groups else None)
    booster = lightgbm.train(
        {
            "num_threads": 1, "seed": seed, "deterministic": True, "force_row_wise": True,
            "num_leaves": 8, "min_data_in_leaf": 8, "verbosity": -1, **settings, **parameters,
        }, dataset, num_boost_round=rounds)
    path = os.path.join(HERE, f"{name}.txt")
    booster.save_model(path)
    answer_lightgbm(name, lightgbm.Booster(model_file=path), base, seed + 10, categories)


def make_lightgbm_frame(name, seed):
    frame, score = category_frame(seed)
    generator = numpy.random.default_rng(seed)
    sizes = numpy.array(["S", "M", "L"])[generator.integers(0, 3, len(frame))]
    frame["size"] = pandas.Categorical(sizes, categories=["S", "M", "L"], ordered=True)
    frame["always"] = pandas.Categorical(["here"] * len(frame))
    score = score + frame["size"].cat.codes
    booster = lightgbm.train(
        {
            "num_threads": 1, "seed": seed, "deterministic": True, "num_leaves": 8,
            "min_data_per_group": 5, "cat_smooth": 1, "verbosity": -1,
        }, lightgbm.Dataset(frame, label=score), num_boost_round=5)
    path = os.path.join(HERE, f"{name}.txt")
    booster.save_model(path)
    booster = lightgbm.Booster(model_file=path)
    codes = frame.copy()
    for column in ("colour", "price", "size", "always"):
        codes[column] = frame[column].cat.codes
    base = codes.to_numpy(dtype=float)
    answer_lightgbm(name, booster, base, seed + 10, {1: 4, 2: 4})
    part = frame.iloc[:40].copy()
    part.loc[part.index[3], "colour"] = None
    part["colour"] = part["colour"].cat.add_categories(["mauve"])
    part["price"] = part["price"].cat.add_categories([99])
    part.loc[part.index[4], "colour"] = "mauve"
    part.loc[part.index[5], "price"] = 99
    save_records(name, frame_rows(part), booster.predict(part))


def make_lightgbm_open(name, seed):
    """An ordered categorical looks like a number, and so does the number beside it: whose list of
    categories the file has cannot be told."""
    generator = numpy.random.default_rng(seed)
    grades = generator.integers(0, 3, 300)
    frame = pandas.DataFrame({
        "grade": pandas.Categorical(
            numpy.array([10, 20, 30])[grades], categories=[10, 20, 30], ordered=True),
        "rooms": generator.integers(0, 3, 300),
    })
    booster = lightgbm.train(
        {"num_threads": 1, "seed": seed, "deterministic": True, "min_data_in_leaf": 3, "verbosity": -1},
        lightgbm.Dataset(frame, label=grades * 5.0 + frame["rooms"]), num_boost_round=3)
    path = os.path.join(HERE, f"{name}.txt")
    booster.save_model(path)
    codes = frame.assign(grade=frame["grade"].cat.codes).to_numpy(dtype=float)
    answer_lightgbm(name, lightgbm.Booster(model_file=path), codes, seed + 10)


def thirds(score):
    return numpy.digitize(score, numpy.quantile(score, [1 / 3, 2 / 3]))


def positive(score):
    return (score > 0).astype(float)


def counts(score):
    return numpy.round(numpy.exp(numpy.clip(score, -2, 3) / 2))


def share(score):
    return 1 / (1 + numpy.exp(-score))


def durations(score):
    return numpy.exp(numpy.clip(score, -2, 2)) + 0.1


def grades(score):
    return numpy.digitize(score, [-1, 0, 1]).astype(float)


def several(score):
    return numpy.stack([score, numpy.sin(score), numpy.abs(score)], axis=1)


def several_labels(score):
    return numpy.stack([score > 0, numpy.sin(score) > 0.3], axis=1).astype(float)


def one(score):
    return numpy.ones_like(score)


def none(score):
    return numpy.zeros_like(score)


def label_and_constants(score):
    return numpy.stack([score > 0, score > -99, score > 99], axis=1).astype(float)


def squared_gradient(predictions, dataset):
    return predictions - dataset.get_label(), numpy.ones_like(predictions)


def wanted(make):
    """`make`, but only for the names given on the command line; all when there are none."""
    def called(name, *arguments, **settings):
        if not sys.argv[1:] or name in sys.argv[1:]:
            make(name, *arguments, **settings)
    return called


make_xgboost = wanted(make_xgboost)
make_early_stopping = wanted(make_early_stopping)
make_xgboost_frame = wanted(make_xgboost_frame)
make_wrapped_dart = wanted(make_wrapped_dart)
make_lightgbm = wanted(make_lightgbm)
make_lightgbm_frame = wanted(make_lightgbm_frame)
make_lightgbm_open = wanted(make_lightgbm_open)


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
        "xgb_categorical", "ubj", 11, lambda s: s, 4, categories={0: 12}, objective="reg:squarederror",
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
    make_lightgbm("lgb_categorical", 30, lambda s: s, 3, categories={0: 40}, objective="regression")

    # Objectives and boosters beyond those, at their usual size.
    make_xgboost("xgb_reglogistic", "json", 61, share, 3, objective="reg:logistic")
    make_xgboost("xgb_gamma", "ubj", 62, durations, 3, objective="reg:gamma")
    make_xgboost("xgb_absolute", "json", 63, lambda s: s, 3, objective="reg:absoluteerror")
    make_xgboost("xgb_pseudohuber", "ubj", 64, lambda s: s, 3, objective="reg:pseudohubererror")
    make_xgboost("xgb_squaredlog", "ubj", 65, durations, 3, objective="reg:squaredlogerror")
    make_xgboost(
        "xgb_quantile", "ubj", 66, lambda s: s, 3, objective="reg:quantileerror",
        quantile_alpha=[0.1, 0.5, 0.9])
    make_xgboost("xgb_cox", "ubj", 67, durations, 3, objective="survival:cox")
    make_xgboost(
        "xgb_aft", "json", 68, None, 3, objective="survival:aft",
        bounds=lambda s: (durations(s), durations(s) + 1))
    make_xgboost("xgb_pairwise", "ubj", 69, grades, 3, groups=8, objective="rank:pairwise")
    make_xgboost("xgb_ndcg", "json", 70, grades, 3, groups=8, objective="rank:ndcg")
    make_xgboost("xgb_map", "ubj", 71, positive, 3, groups=8, objective="rank:map")
    make_xgboost("xgb_targets", "ubj", 72, several, 3, objective="reg:squarederror")
    make_xgboost("xgb_labels", "json", 73, several_labels, 2, objective="binary:logistic")
    for suffix in ("json", "ubj"):
        make_xgboost(
            f"xgb_vector_{suffix}", suffix, 74, several, 3, objective="reg:squarederror",
            multi_strategy="multi_output_tree")
    make_xgboost(
        "xgb_vector_classes", "ubj", 75, thirds, 3, objective="multi:softprob", num_class=3,
        multi_strategy="multi_output_tree", num_parallel_tree=2, subsample=0.7)
    make_xgboost(
        "xgb_vector_labels", "ubj", 76, several_labels, 2, objective="binary:logistic",
        multi_strategy="multi_output_tree")
    make_xgboost(
        "xgb_linear_binary", "json", 77, positive, 4, booster="gblinear",
        objective="binary:logistic")
    make_xgboost(
        "xgb_linear_softprob", "ubj", 78, thirds, 4, booster="gblinear",
        objective="multi:softprob", num_class=3)
    make_xgboost(
        "xgb_linear_softmax", "json", 79, thirds, 4, booster="gblinear", updater="shotgun",
        objective="multi:softmax", num_class=3)
    make_xgboost(
        "xgb_linear_poisson", "ubj", 80, counts, 4, booster="gblinear", objective="count:poisson")
    make_xgboost(
        "xgb_forest_classes", "ubj", 81, thirds, 1, objective="multi:softprob", num_class=3,
        num_parallel_tree=4, subsample=0.7, colsample_bynode=0.7, eta=1)
    make_xgboost(
        "xgb_dart_classes", "json", 82, thirds, 3, booster="dart", rate_drop=0.4,
        objective="multi:softprob", num_class=3)
    make_xgboost(
        "xgb_onehot", "json", 83, lambda s: s, 3, categories={0: 7, 3: 3},
        objective="reg:squarederror", max_cat_to_onehot=10)
    make_xgboost(
        "xgb_far_category", "ubj", 84, lambda s: numpy.sin(s), 2, categories={0: 900}, rows=2000,
        objective="reg:squarederror", max_cat_to_onehot=1)
    make_xgboost(
        "xgb_pruned", "json", 85, lambda s: s, 2, objective="reg:squarederror",
        tree_method="exact", max_depth=5, gamma=12)
    make_xgboost(
        "xgb_deep", "ubj", 86, lambda s: s, 1, objective="reg:squarederror", max_depth=30,
        max_leaves=40, grow_policy="lossguide")
    make_xgboost("xgb_leaf_only", "ubj", 87, lambda s: s, 2, max_depth=1, gamma=1e9)
    make_xgboost(
        "xgb_base_score", "json", 88, positive, 2, objective="binary:logistic", base_score=0.137)
    make_early_stopping(
        "xgb_stopped", "json", 89, xgboost.XGBClassifier, thirds, num_parallel_tree=2,
        subsample=0.8)
    make_early_stopping(
        "xgb_stopped_dart", "ubj", 90, xgboost.XGBRegressor, lambda s: s, booster="dart",
        rate_drop=0.3)
    make_early_stopping(
        "xgb_stopped_vector", "ubj", 91, xgboost.XGBRegressor, several,
        multi_strategy="multi_output_tree")
    # Targets of one value alone: base scores of 0 and 1.
    make_xgboost("xgb_always", "json", 94, one, 3, objective="binary:logistic")
    make_xgboost("xgb_never", "ubj", 95, none, 3, objective="reg:logistic")
    make_xgboost("xgb_no_counts", "json", 96, none, 3, objective="count:poisson")
    make_xgboost(
        "xgb_constant_labels", "json", 97, label_and_constants, 3, objective="binary:logistic")
    make_xgboost_frame("xgb_frame", "json", 92)
    make_xgboost_frame("xgb_frame_ubj", "ubj", 93)
    make_lightgbm_open("lgb_open_categories", 98)
    make_wrapped_dart("xgb_wrapped_dart", "json", 99, xgboost.XGBRegressor, lambda s: s)

    for number, objective in enumerate((
        "regression_l1", "huber", "fair", "quantile", "mape", "cross_entropy",
    )):
        label = share if objective == "cross_entropy" else lambda s: s
        make_lightgbm(f"lgb_{objective}", 121 + number, label, 3, objective=objective)
    make_lightgbm("lgb_gamma", 127, durations, 3, objective="gamma")
    make_lightgbm("lgb_tweedie", 128, counts, 3, objective="tweedie")
    make_lightgbm("lgb_lambdarank", 129, grades, 3, groups=8, objective="lambdarank")
    make_lightgbm("lgb_xendcg", 130, grades, 3, groups=8, objective="rank_xendcg")
    make_lightgbm("lgb_custom", 131, lambda s: s, 3, objective=squared_gradient)
    make_lightgbm("lgb_l1_sqrt", 132, lambda s: s, 3, objective="regression_l1", reg_sqrt=True)
    make_lightgbm("lgb_dart", 133, positive, 4, objective="binary", boosting="dart")
    make_lightgbm(
        "lgb_forest_classes", 134, thirds, 3, objective="multiclass", num_class=3, boosting="rf",
        bagging_freq=1, bagging_fraction=0.6)
    make_lightgbm("lgb_linear", 135, lambda s: s, 4, objective="regression", linear_tree=True)
    make_lightgbm(
        "lgb_linear_binary", 136, positive, 4, objective="binary", linear_tree=True,
        linear_lambda=0.1)
    make_lightgbm(
        "lgb_linear_categories", 137, lambda s: s, 3, categories={0: 9}, objective="regression",
        linear_tree=True)
    make_lightgbm(
        "lgb_linear_none", 138, lambda s: s, 3, missing="none", objective="regression",
        linear_tree=True)
    make_lightgbm(
        "lgb_onehot", 139, positive, 3, categories={0: 4, 3: 3}, objective="binary")
    make_lightgbm(
        "lgb_leaf_only", 140, lambda s: s, 2, objective="regression", min_data_in_leaf=390)
    make_lightgbm(
        "lgb_categories_none", 141, lambda s: s, 3, missing="none", categories={0: 70},
        objective="regression")
    make_lightgbm_frame("lgb_frame", 142)

    if sys.argv[1:]:
        return
    answer_oldest()
    from sklearn.datasets import load_breast_cancer, load_diabetes
    for version in (1, 2):
        booster = xgboost.Booster(model_file=os.path.join(
            MODELS, "breast-cancer", str(version), "model.json"))
        answer_xgboost(f"breast-cancer-{version}", booster, load_breast_cancer().data, 40 + version)
    booster = lightgbm.Booster(model_file=os.path.join(MODELS, "diabetes", "1", "model.txt"))
    answer_lightgbm("diabetes-1", booster, load_diabetes().data, 50)


if __name__ == "__main__":
    main()
