"""In front of a MongoDB of one's own: TLS, logins, the hosts that clients hear of."""
