"""How often it pays to learn anew."""
