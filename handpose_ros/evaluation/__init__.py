"""How good hands and grasps are, against truth."""
