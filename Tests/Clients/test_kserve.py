"""KServe's own REST client. Of its package only the client is loaded: the rest wants a cluster."""

import asyncio
import importlib.util
import sys
import types
import unittest
from unittest import mock

import numpy

# The package's __init__ loads its server and Kubernetes, of which the client needs nothing.
kserve = types.ModuleType("kserve")
kserve.__path__ = list(importlib.util.find_spec("kserve").submodule_search_locations)
sys.modules["kserve"] = kserve
# Modules that the client's own files import for other protocols, or for the server.
for name in [
    "grpc", "grpc.aio", "psutil", "fastapi", "fastapi.responses", "cloudevents",
    "cloudevents.conversion", "cloudevents.http",
    "kserve.protocol.grpc.grpc_predict_v2_pb2_grpc",
]:
    sys.modules[name] = mock.MagicMock(name=name)

from kserve.inference_client import InferenceRESTClient, RESTConfig  # noqa: E402
from kserve.protocol.infer_type import InferInput, InferRequest  # noqa: E402

from gateway import URL, bearer, sample  # noqa: E402


def client(protocol, **settings):
    return InferenceRESTClient(RESTConfig(protocol=protocol, retries=0, timeout=20, **settings))


class KServe(unittest.TestCase):
    def run_async(self, work):
        return asyncio.run(work)

    def test_health(self):
        async def ask():
            rest = client("v2")
            live = await rest.is_server_live(URL)
            ready = await rest.is_server_ready(URL)
            model = await rest.is_model_ready(URL, "iris", headers=bearer("iris"))
            nobody = await rest.is_model_ready(URL, "nobody", headers=bearer("iris"))
            await rest.close()
            return live, ready, model, nobody

        self.assertEqual(self.run_async(ask()), (True, True, True, False))

    def test_inference(self):
        rows, expected = sample("iris/1")
        rows = numpy.array(rows if isinstance(rows, list) else rows["data"], numpy.float32)

        async def ask(use_binary):
            given = InferInput("X", list(rows.shape), "FP32")
            given.set_data_from_numpy(rows, binary_data=use_binary)
            rest = client("v2")
            answer = await rest.infer(
                URL, InferRequest("iris", [given], request_id="7"), model_name="iris",
                headers=bearer("iris"))
            await rest.close()
            return answer

        for use_binary in (False, True):
            answer = self.run_async(ask(use_binary))
            self.assertEqual((answer.model_name, answer.id), ("iris", "7"))
            found = {output.name: output.as_numpy() for output in answer.outputs}
            numpy.testing.assert_allclose(found["probabilities"], expected, rtol=1e-5, atol=1e-6)

    def test_version_1(self):
        rows, expected = sample("breast-cancer/1")
        rows = rows["data"] if isinstance(rows, dict) else rows

        async def ask():
            rest = client("v1")
            answer = await rest.infer(
                URL, {"instances": rows}, model_name="breast-cancer",
                headers={**bearer("breast-cancer"), "azureml-model-deployment": "blue"})
            await rest.close()
            return answer

        self.assertEqual(self.run_async(ask()), {"predictions": expected})

    def test_an_error_is_an_exception_with_the_text(self):
        async def ask():
            rest = client("v2")
            try:
                await rest.infer(
                    URL, {"inputs": []}, model_name="iris", headers=bearer("iris"))
            finally:
                await rest.close()

        with self.assertRaises(Exception) as caught:
            self.run_async(ask())
        self.assertIn("400", str(caught.exception))
