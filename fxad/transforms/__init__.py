"""The interpreters: each transformation a trace of its own."""
