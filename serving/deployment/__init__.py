"""Where versions serve, and how traffic moves from one to the next: on one machine, or on a cluster with KServe."""
