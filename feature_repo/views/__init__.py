"""Names and schemas of the Feast views that Heliograph adds to a spec's own: pushed vectors, activities, events."""
