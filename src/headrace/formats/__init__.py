"""Where records lie, one file a kind."""
