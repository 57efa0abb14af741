"""The loop around the step: cadences, resume, what is written when."""
