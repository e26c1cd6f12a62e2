"""What a page shows is recorded: rrweb in the page's own world, the shopper's steps from out here."""
