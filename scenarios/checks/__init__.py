"""Rules that turn observations into verdicts, each with the requirement it speaks for."""
