"""Geometry of shapes, poses and moving poses, without knowledge of robots or items."""
