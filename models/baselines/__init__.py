"""What a model has to beat: the floor of the gate, and models of the field on the same features, split and metrics."""
