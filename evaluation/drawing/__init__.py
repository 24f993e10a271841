"""Pictures of what was measured, with matplotlib, for light and dark pages."""
