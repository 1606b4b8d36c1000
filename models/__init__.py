"""Core library: the spec, the temporal graph, the model, its training and its metrics.

Imports none of kfp, feast, mlflow, kserve and evidently.
"""

from models.cpus import limit_threads

limit_threads()  # before torch is loaded
