"""What a finished run looks like in one row, and which rows are odd among their like."""
