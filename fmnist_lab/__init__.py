"""Study a hyperparameter honestly: multilayer perceptrons on Fashion-MNIST."""
