"""jobmend: batch jobs that look after themselves. The repository root is this package."""
