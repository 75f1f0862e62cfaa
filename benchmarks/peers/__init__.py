"""The trainers that ours is compared with, one module per library."""
