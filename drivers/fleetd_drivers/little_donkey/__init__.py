"""The Little Donkey delivery robot, by our reference register map."""
