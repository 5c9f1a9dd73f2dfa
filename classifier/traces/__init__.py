"""What a healthy job looks like on its hardware threads."""
