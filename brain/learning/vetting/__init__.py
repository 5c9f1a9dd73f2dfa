"""What is too new to be learned from before a person has looked."""
