"""Much data: blocks of a file, one function for each item, in one process or on a Ray cluster's workers."""
