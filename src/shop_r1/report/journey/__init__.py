"""The journey report as a page, and as a summary for a pull request."""
