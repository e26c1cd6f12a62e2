"""SFT on verl's SFT trainer, with our sessions as trees."""
