"""The spec, the temporal graph, the model and its training. Imports none of kfp, feast, mlflow, kserve, evidently."""
