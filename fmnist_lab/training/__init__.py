"""How a network is trained: the model, its losses, Adam, the loop, the evaluation."""
