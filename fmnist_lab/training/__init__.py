"""How a network is trained: the model, losses, optimisers, the loop, the evaluation."""
