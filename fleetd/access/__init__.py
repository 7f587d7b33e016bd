"""Who may do what: people, their keys and roles, signed commands, and the word of a second person."""
