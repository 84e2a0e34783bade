"""The same failing call in one session after the other: a job that is started anew and fails on the same item."""
