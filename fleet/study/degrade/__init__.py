"""`fleet degrade`: trained policies with more and more robots off."""
