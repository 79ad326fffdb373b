"""What a program is: avals, primitives, traces, jaxprs."""
