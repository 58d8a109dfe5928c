"""aioquic's own tests, run on our connection with the short path."""
