"""What a compiled scenario runs on: virtual time, pseudo-terminals, a real bench."""
