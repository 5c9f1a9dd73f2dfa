"""What the brain thinks with: trace models, failure models, and one advice out of both."""
