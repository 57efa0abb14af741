"""What people type, also where only the package is installed: `tf2gan-train`, `tf2gan-generate`."""
