"""What a run is told: its settings, its recipe's hyperparameters. Standard library only."""
