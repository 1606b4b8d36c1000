"""Container images: their base, their build, once per digest of the inputs, and the checks of what was built."""
