"""The model: node inputs, aggregation over trees, a transformer over the member's activities, a head per task."""
