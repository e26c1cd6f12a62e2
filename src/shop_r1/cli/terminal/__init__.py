"""What commands share: the console, progress bars, output checks, the list of settings."""
