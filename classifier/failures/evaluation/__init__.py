"""How good arms are on tasks they have not seen, and the search for better parameters."""
