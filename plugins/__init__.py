"""One folder a scheduler: where its cgroups lie, its hooks, its history, its actions."""
