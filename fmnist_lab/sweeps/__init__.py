"""What is trained for which question, and where: studies, processes, clusters, progress."""
