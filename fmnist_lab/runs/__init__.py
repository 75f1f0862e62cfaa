"""What trainings leave behind: a run, and where runs are kept."""
