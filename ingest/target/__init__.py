"""The target collection: opened, reconciled with its manifest, shared with other runs."""
