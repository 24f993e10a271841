"""Search indexes: what one is defined as, how it is made and asked, and how many there may be."""
