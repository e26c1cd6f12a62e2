"""The built-in demo store: a seeded catalogue, a search index and a web app over them."""
