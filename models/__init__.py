"""The spec, the temporal graph, the model and its training. Imports none of kfp, feast, mlflow, kserve, evidently."""

from models.cpus import settle_threads

settle_threads()  # before anything loads torch
