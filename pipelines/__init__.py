"""The DAGs and the command that runs, compiles and submits them."""
