"""The feed: revisions of findings in order, for machines; who has read how far; what people decided on findings."""
