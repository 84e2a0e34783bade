"""What `telltale check` looks at, part by part: gathered by what stands below, judged here."""
