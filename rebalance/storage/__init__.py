"""Tables as streams of Arrow record batches, and artifacts as single files."""
