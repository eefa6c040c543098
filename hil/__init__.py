"""The bench: its description, its resources, virtual and real hardware, and the pytest fixtures."""
