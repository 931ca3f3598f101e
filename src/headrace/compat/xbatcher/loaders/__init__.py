"""Datasets for other frameworks; each module needs its own."""
