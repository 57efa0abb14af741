"""The two layer graphs, and how they are evaluated and optimized."""
