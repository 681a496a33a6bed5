"""Models: trained, judged, promoted and described."""
