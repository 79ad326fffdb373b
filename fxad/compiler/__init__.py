"""From jaxpr to something that runs."""
