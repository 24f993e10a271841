"""The filter language: parse filters, and match them against columns of values."""
