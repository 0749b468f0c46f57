"""Ways to train, cross-validated on the user's own table: what only this command needs."""
