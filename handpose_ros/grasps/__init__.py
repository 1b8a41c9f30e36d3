"""Which grasp a hand shows, over time, and what a gripper makes of it."""
