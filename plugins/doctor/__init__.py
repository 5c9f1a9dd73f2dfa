"""Is jobmend in order here? Checks that only read, each with a cure: ``jobmend-doctor``."""
