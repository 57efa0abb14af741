"""Run folders: what lies in them, whole or not there."""
