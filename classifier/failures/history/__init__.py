"""Roads to histories of failures: files, our own records, accounting in bulk."""
