"""What is trained for each question, and where: studies, processes, clusters, progress."""
