"""`azmlinfsrv`, which has no option for the address: on loopback alone."""

from azureml_inference_server_http import amlserver

amlserver.DEFAULT_HOST = "127.0.0.1"
amlserver.run()
