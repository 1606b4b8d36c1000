"""The model: node encoders, graph aggregation, a transformer over the member's activities, a head per task."""
