"""Pictures: the preview in meshcat, and plots."""
