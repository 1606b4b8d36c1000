"""What a monitoring run shows: the page for a person, and the figures for Prometheus."""
