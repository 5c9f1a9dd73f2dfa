"""The models that judge: in use, kept, before, and what each was made of."""
