"""`simulate --ray`: the processes of a Ray cluster in which visits are run, and what these share."""
