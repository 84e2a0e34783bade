"""The log behind the stream: a Faust transport over one SQLite file, and Kafka, behind one contract."""
