"""The manifests in deploy/kustomize: built with kustomize, and every document checked by a schema."""
