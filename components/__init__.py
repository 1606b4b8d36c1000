"""One thin KFP component a file: unpack artifacts, call one function of the packages below, log what matters."""
