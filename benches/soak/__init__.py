"""What only shows after long: ten thousand sessions that do next to nothing, and clients that come and go."""
