"""The command line: one file for each command. It parses, calls and prints."""
