"""Smoothing: live, and of recordings with what comes after."""
