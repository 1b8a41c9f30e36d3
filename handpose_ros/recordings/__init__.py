"""Images, videos and bags in; overlays, joints, summaries and reports out."""
