"""What the clients of Hamlib's servers share: the lines of their protocol, and one question with its answer."""
