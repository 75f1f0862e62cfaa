"""The trainers that ours is compared with, a library a module."""
