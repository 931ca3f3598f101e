"""Versions of datasets, kept: what lies on disk, how it is written so that nobody ever sees half of it, and read."""
