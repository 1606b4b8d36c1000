"""``make rehearsal``: the compiled pipelines with every task in its own container, and nothing shared but services."""
