"""The learning loop: one turn a day, from what was gathered to the model that is used."""
