"""What must survive a power cut: the outbox of records on their way, the ledger of commands, the audit chain."""
