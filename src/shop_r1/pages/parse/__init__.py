"""Bytes to a document: encodings, visibility, what can be acted on."""
