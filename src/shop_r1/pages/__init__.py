"""Raw shop pages to short pages with a name on all that can be acted on, and from a name to its element."""
