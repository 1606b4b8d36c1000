"""Model versions: the bundle, the registry in MLflow, signatures, the model card, the popularity prior."""
