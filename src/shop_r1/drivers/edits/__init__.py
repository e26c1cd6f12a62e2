"""Versions of any shop: edits of its pages that the browser makes, and what is sent with requests."""
