"""Packages of a registered version for other servers than ours: a bento (BentoML) and a .mar (TorchServe)."""
