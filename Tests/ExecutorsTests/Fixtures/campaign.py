#!/usr/bin/env python3
"""Random small models with their library's answers, for a comparison that is not committed:

    venv/bin/python Tests/ExecutorsTests/Fixtures/campaign.py FOLDER COUNT [SEED]
    SWERVE_CAMPAIGN=FOLDER swift test --filter 'a campaign'
"""
import os
import random
import sys
import warnings

import generate

LABELS = {
    "binary:logistic": "positive", "binary:logitraw": "positive", "binary:hinge": "positive",
    "reg:logistic": "share", "reg:squarederror": "same", "reg:squaredlogerror": "durations",
    "reg:pseudohubererror": "same", "reg:absoluteerror": "same", "reg:gamma": "durations",
    "reg:tweedie": "counts", "count:poisson": "counts", "survival:cox": "durations",
    "multi:softprob": "thirds", "multi:softmax": "thirds", "rank:ndcg": "grades",
    "rank:pairwise": "grades", "rank:map": "positive", "reg:quantileerror": "same",
    "several": "several", "several_labels": "several_labels",
}
LIGHTGBM_LABELS = {
    "binary": "positive", "multiclass": "thirds", "multiclassova": "thirds", "regression": "same",
    "regression_l1": "same", "huber": "same", "fair": "same", "quantile": "same", "mape": "same",
    "poisson": "counts", "gamma": "durations", "tweedie": "counts", "cross_entropy": "share",
    "cross_entropy_lambda": "share", "lambdarank": "grades", "rank_xendcg": "grades",
}


def label(name):
    return (lambda score: score) if name == "same" else getattr(generate, name)


def xgboost_model(name, seed, pick):
    objective = pick.choice(list(LABELS))
    settings = {
        "objective": {"several": "reg:squarederror", "several_labels": "binary:logistic"}.get(
            objective, objective),
        "eta": pick.choice([0.1, 0.3, 1.0, 1.7]),
    }
    if objective.startswith("multi"):
        settings["num_class"] = 3
    if objective.startswith("rank"):
        settings["groups"] = 8
    if objective == "reg:quantileerror":
        settings["quantile_alpha"] = pick.choice([0.3, [0.2, 0.5], [0.1, 0.5, 0.6, 0.9]])
    booster = pick.choice(["gbtree"] * 6 + ["dart", "gblinear"])
    categories = None
    if booster == "gblinear":
        if objective in ("reg:absoluteerror", "reg:quantileerror"):
            booster = "gbtree"
        else:
            settings.update(updater=pick.choice(["shotgun", "coord_descent"]))
            settings.update({"lambda": pick.choice([0, 1])})
    if booster == "dart":
        settings.update(rate_drop=pick.choice([0.1, 0.5]))
        settings.update(normalize_type=pick.choice(["tree", "forest"]))
    if booster != "gblinear":
        settings.update(
            max_depth=pick.choice([1, 2, 3, 5, 8]), gamma=pick.choice([0, 0, 1]),
            min_child_weight=pick.choice([0.1, 1, 5]), num_parallel_tree=pick.choice([1, 1, 1, 3]),
            subsample=pick.choice([1, 0.7]), tree_method=pick.choice(["hist", "approx", "hist"]))
        if objective in ("several", "several_labels", "multi:softprob") and booster == "gbtree" \
                and pick.random() < 0.5:
            settings.update(multi_strategy="multi_output_tree", tree_method="hist")
        elif pick.random() < 0.4:
            categories = {0: pick.choice([3, 12, 70])}
            settings.update(max_cat_to_onehot=pick.choice([1, 4, 100]))
    settings["booster"] = booster
    if pick.random() < 0.2 and objective not in ("survival:cox", "reg:quantileerror"):
        settings["base_score"] = pick.choice([0.1, 0.5, 0.731])
    generate.make_xgboost(
        name, pick.choice(["json", "ubj"]), seed, label(LABELS[objective]),
        pick.choice([1, 3, 10]), categories=categories, **settings)


def lightgbm_model(name, seed, pick):
    objective = pick.choice(list(LIGHTGBM_LABELS))
    settings = {"objective": objective, "learning_rate": pick.choice([0.1, 0.3, 1.0])}
    if objective.startswith("multiclass"):
        settings["num_class"] = 3
    if objective in ("lambdarank", "rank_xendcg"):
        settings["groups"] = 8
    boosting = pick.choice(["gbdt", "gbdt", "dart", "rf"])
    settings["boosting"] = boosting
    if boosting == "rf":
        settings.update(bagging_freq=1, bagging_fraction=0.6)
    missing = pick.choice(["nan", "zero", "none"])
    if missing != "zero" and boosting == "gbdt" and pick.random() < 0.4 \
            and objective not in ("regression_l1", "quantile", "mape"):
        settings.update(linear_tree=True, linear_lambda=pick.choice([0, 0.1]))
    categories = {0: pick.choice([3, 12, 70])} if pick.random() < 0.4 else None
    if objective == "regression" and pick.random() < 0.3:
        settings["reg_sqrt"] = True
    if objective in ("binary", "multiclassova"):
        settings["sigmoid"] = pick.choice([1.0, 0.7, 2.5])
    settings.update(
        num_leaves=pick.choice([2, 4, 15, 40]), extra_trees=pick.random() < 0.3,
        min_data_in_leaf=pick.choice([2, 8, 20]))
    generate.make_lightgbm(
        name, seed, label(LIGHTGBM_LABELS[objective]), pick.choice([1, 3, 10]), missing=missing,
        categories=categories, **settings)


def main():
    warnings.filterwarnings("ignore")
    folder, count = sys.argv[1], int(sys.argv[2])
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    # `generate` takes names on the command line for a choice of fixtures.
    del sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    generate.HERE = folder
    made = 0
    for seed in range(first, first + count):
        pick = random.Random(seed)
        library, make = pick.choice([("xgb", xgboost_model), ("lgb", lightgbm_model)])
        try:
            make(f"{library}_{seed}", 1000 + seed, pick)
            made += 1
        except Exception as error:  # A combination that the library refuses.
            print(seed, library, str(error).strip().split("\n")[0][:150])
            for name in os.listdir(folder):
                if name.startswith(f"{library}_{seed}."):
                    os.remove(os.path.join(folder, name))
    print(made, "models")


if __name__ == "__main__":
    main()
