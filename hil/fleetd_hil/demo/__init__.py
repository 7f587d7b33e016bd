"""`fleethil demo`: one whole site on simulated hardware, worked before your eyes and judged by an outside observer."""
