"""What a chapter's sentences say in numbers, as plain values by name, and its smaller tables."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
