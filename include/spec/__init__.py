"""A dataset folder's YAML, read into frozen and validated models."""
