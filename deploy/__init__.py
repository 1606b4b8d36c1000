"""What a cluster is given: manifests, and the images of the components and the predictor."""
