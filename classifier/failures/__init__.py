"""What the exit codes of a whole workflow say, site by site."""
