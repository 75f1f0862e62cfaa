"""Train multilayer perceptrons on Fashion-MNIST, and judge what is said about them.

What notebooks and scripts use is named in `__init__.pyi` and loaded when it is first used, so
that `import fmnist_lab` takes milliseconds (Scientific Python's SPEC 1).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
