"""Writing a version: records read by workers, in order, into parts; what is safe is noted, to go on from there."""
