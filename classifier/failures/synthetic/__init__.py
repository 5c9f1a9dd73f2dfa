"""Made-up histories whose best possible prediction is known; all of it is called synthetic."""
