"""Tests of the loaders and of what dbt makes of a world. Run with pytest from the project."""
