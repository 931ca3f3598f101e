"""Which patches are wanted, by what they hold and where they lie."""
