"""The pipelines, and the command that runs, compiles and submits them."""
