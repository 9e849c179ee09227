"""MLflow's scoring client and its forms, against an endpoint's /invocations and the root's."""

import json
import unittest

import numpy as np
import pandas
import requests

from gateway import ADDRESS, MODELS, URL, bearer, sample

PATH = URL + "/endpoints/breast-cancer/invocations"


def post(body, path=PATH, kind="application/json"):
    data = body if isinstance(body, str) else json.dumps(body)
    return requests.post(
        path, data=data, headers={**bearer("breast-cancer"), "Content-Type": kind,
                                  "azureml-model-deployment": "blue"}, timeout=20)


class Invocations(unittest.TestCase):
    def test_every_form_gives_the_same(self):
        rows, expected = sample("breast-cancer/1")
        rows = rows["data"] if isinstance(rows, dict) else rows
        model = json.loads((MODELS / "breast-cancer/1/model.json").read_text())
        names = model["learner"]["feature_names"]
        description = requests.get(
            URL + "/endpoints/breast-cancer/v2/models/breast-cancer",
            headers=bearer("breast-cancer"), timeout=20).json()
        self.assertEqual(description["inputs"][0]["name"], "X")
        records = [dict(zip(names, row)) for row in rows]
        split = {"columns": names[::-1], "data": [row[::-1] for row in rows]}
        forms = [{"inputs": rows}, {"instances": rows}, {"dataframe_split": split},
                 {"dataframe_records": records},
                 {"inputs": {name: [row[i] for row in rows] for i, name in enumerate(names)}}]
        for body in forms:
            answer = post(body)
            self.assertEqual(answer.status_code, 200, answer.text)
            self.assertEqual(answer.json(), {"predictions": expected})
        lines = [",".join(names)] + [",".join(map(repr, row)) for row in rows]
        answer = post("\r\n".join(lines) + "\r\n", kind="text/csv")
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertEqual(answer.json(), {"predictions": expected})

    def test_health_and_version(self):
        for path in ("/ping", "/health", "/endpoints/breast-cancer/ping"):
            answer = requests.get(URL + path, timeout=20)
            self.assertEqual((answer.status_code, answer.text), (200, "\n"))
        self.assertRegex(requests.get(URL + "/version", timeout=20).text, r"^\d+\.\d+")
        self.assertEqual(requests.get(URL + "/endpoints/nobody/ping", timeout=20).status_code, 404)

    def test_refusals_in_its_words(self):
        cases = [
            ("{", "Invalid input. Ensure that input is a valid JSON formatted string."),
            ("[]", "exactly one of the input fields"),
            ({"rows": []}, "exactly one of the input fields"),
            ({"dataframe_split": []}, "Dataframe split format must be a dictionary. Got list"),
            ({"dataframe_records": {}},
             "Dataframe records format must be a list of records. Got dictionary."),
            ({"dataframe_split": {"data": [[1]]}},
             "Provided dataframe_split field is not a valid dataframe representation"),
        ]
        for body, sentence in cases:
            answer = post(body)
            self.assertEqual(answer.status_code, 400, answer.text)
            self.assertEqual(answer.json()["error_code"], "BAD_REQUEST")
            self.assertIn(sentence, answer.json()["message"])
        answer = post("", kind="text/csv")
        self.assertEqual(answer.status_code, 400)
        self.assertIn("Failed to parse input as a Pandas DataFrame.", answer.json()["message"])
        for kind in ("text/plain", "application/json; version=2", "text/csv; charset=latin-1"):
            answer = post("{}", kind=kind)
            self.assertEqual(answer.status_code, 415)
            self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
            self.assertIn("This predictor only supports the following content types", answer.text)


class Client(unittest.TestCase):
    def test_mlflow_scoring_client(self):
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient

        host, port = ADDRESS.split(":")
        client = ScoringServerClient(host, int(port))
        client.ping()
        client.wait_server_ready(timeout=5)
        self.assertTrue(client.get_version())
        # The client sends no key: the default endpoint of this gateway is open.
        rows, expected = sample("breast-cancer/1")
        rows = rows["data"] if isinstance(rows, dict) else rows
        self.assertEqual(client.invoke(rows)["predictions"], expected)
        self.assertEqual(client.invoke(np.array(rows))["predictions"], expected)
        model = json.loads((MODELS / "breast-cancer/1/model.json").read_text())
        names = model["learner"]["feature_names"]
        frame = client.invoke(pandas.DataFrame(rows, columns=names))
        self.assertEqual(frame["predictions"], expected)


if __name__ == "__main__":
    unittest.main()
