"""One thin KFP component per file: unpack artifacts, call one function of the packages below, log what matters."""
