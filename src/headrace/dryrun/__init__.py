"""A chain tried out on a few records, with every kind of check; see :mod:`headrace.dryrun.trial`."""
