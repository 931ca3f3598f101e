"""Means and deviations of what patches hold."""
