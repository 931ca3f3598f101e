"""Where a store's bytes lie: one small protocol, and a file for each kind of place that speaks it."""
