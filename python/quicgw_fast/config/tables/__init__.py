"""One model per TOML table (protocol §7); every field says what it means."""
