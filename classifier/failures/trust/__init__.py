"""What makes probabilities into answers: calibration, doubt, novelty, reasons."""
