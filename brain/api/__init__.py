"""The brain over HTTP: routes, who may call them, what they answer."""
