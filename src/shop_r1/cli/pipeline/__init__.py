"""The demo: the whole pipeline as a script, its settings and its stages."""
