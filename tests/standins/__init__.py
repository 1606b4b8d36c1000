"""Servers that tests start in place of those that cannot run here: a Kubernetes API, KServe's controller."""
