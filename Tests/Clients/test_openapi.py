"""Schemathesis against our own description: what swagger.json promises, /score keeps."""

import unittest

import hypothesis
import requests
import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection

from gateway import URL, bearer

MODELS = ["breast-cancer", "diabetes", "digits", "iris"]
# Beyond this a model's own arithmetic overflows, and NaN is no number of a schema.
LARGEST = 1e6
# What is missing stays so in their answers.
ANSWERING_NAN = ["digits", "iris"]


def bounded(value, missing):
    if value is None:
        return missing
    if isinstance(value, list):
        return [bounded(item, missing) for item in value]
    if isinstance(value, dict):
        return {name: bounded(item, missing) for name, item in value.items()}
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return max(-LARGEST, min(LARGEST, value))
    return value


def repaired(body, endpoint):
    """What a schema cannot say: numbers of bounded size, as many labels as rows, and no NaN."""
    if not isinstance(body, dict):
        return body
    body = bounded(body, 0.5 if endpoint in ANSWERING_NAN else None)
    for name in ("input_data", "data"):
        table = body.get(name)
        if isinstance(table, dict) and isinstance(table.get("data"), list) and "index" in table:
            table["index"] = list(range(len(table["data"])))
    return body


class OpenAPI(unittest.TestCase):
    def check(self, endpoint, version_of_settings):
        url = f"{URL}/endpoints/{endpoint}"
        document = requests.get(
            url + "/swagger.json?version=3", headers=bearer(endpoint), timeout=20).json()
        schema = schemathesis.openapi.from_dict(document)
        calls = 0
        for operation in schema.get_all_operations():
            operation = operation.ok()
            for strategy in version_of_settings:
                @hypothesis.settings(
                    max_examples=40, deadline=None, database=None, derandomize=True,
                    suppress_health_check=list(hypothesis.HealthCheck))
                @hypothesis.given(case=operation.as_strategy(generation_mode=strategy))
                def run(case):
                    nonlocal calls
                    case.body = repaired(case.body, endpoint)
                    case.headers.pop("azureml-model-deployment", None)
                    # More is taken than the description promises: extra members, MLflow's forms.
                    case.call_and_validate(
                        base_url=url, headers=bearer(endpoint), timeout=20,
                        excluded_checks=[negative_data_rejection])
                    calls += 1
                run()
        print(f"schemathesis: {endpoint}: {calls} requests as the description has them")
        self.assertGreaterEqual(calls, 20)

    def test_what_the_description_allows_is_answered_as_it_says(self):
        for model in MODELS:
            with self.subTest(model):
                self.check(model, [schemathesis.GenerationMode.POSITIVE])

    def test_what_it_does_not_allow_is_no_error_of_the_server(self):
        for model in MODELS:
            with self.subTest(model):
                self.check(model, [schemathesis.GenerationMode.NEGATIVE])
