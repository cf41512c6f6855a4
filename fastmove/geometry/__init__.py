"""Geometry: shapes, poses, and how poses move; knows neither robots nor items."""
