"""Are the loop detectors right? Generated sessions of known truth, told in every dialect, and who finds what."""
