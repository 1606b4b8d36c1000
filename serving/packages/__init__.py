"""Packages of a registered version for other servers: a bento (BentoML) and a .mar (TorchServe)."""
