"""What is known of single sites, as TOML files."""
